-- The schema that the revisions below make. A new database loads it, and need not run them.
-- Generated: do not edit or merge it. Write it again with: inv db.snapshot
-- hash: sha256:fe2dd03fcc75e63160fd418f50c0f1c5f3c49e7d2dd31e8abb06d3346cda9541
-- format: 1
-- engine: sqlite
-- proved: 3.40.1
-- current: d56b40e9c7a3
-- naming: 4a602c3d59dc19a24f23af0342536370270ea93cb2d631008fd7e99e808fa759
-- revision: 7c1f0e5ab284 sha256:068e26f3e404b09261e7b8e07f7a842e6bc31a1ca84a74b2cb0e7327434076eb
-- revision: b3d94a6e7f10 sha256:2355c05399c807590dcfaf7c9a15cf54bd2e61b50b35d87704f898929cae1064
-- revision: e08c52d1796b sha256:0a4c5eb540436a0209f5f287817a702261bc81385c36ba311cf0b8217da30825
-- revision: 41fa9d37c8e5 sha256:ab0e06ec9f122dc55d281b36fa621d1de160e88fee33db5ce91ba83778b5bddf
-- revision: 2ed6bf9f1690 sha256:d43b9662f861237117227c0687bc7995d03ac089508775c9817833f7fd73141c
-- revision: 95b7e1c0d34f sha256:987dd4986d4f24825f58c295c4255c5dc1b560c6f0dbdfc9cc6561cd221bb2f8
-- revision: c62d08f4ae91 sha256:aee6267cb87878be968f3ece917232d7dbdfa90eec947b03cb8469765a61fb44
-- revision: 0146b79f723c sha256:827c6797612840ac16564512167bf2e1bb445ccfd1dd94f93e2ce35d1a5f001b
-- revision: d8a4731be60c sha256:2ce9fbd803b4fca2ee75a00c6b8e03b9851ee7749adcb5a134c08707b4b80540
-- revision: 5f9e26c7b1d3 sha256:b676c086315d86b44106acfa27510f06ad973447108bdfbaaf02dd1f11ca56ba
-- revision: a17b6c0fd942 sha256:dcaf210782bc14d8b8e909cda0453c6f1d05f5074ce849494faee7f38aaa5a41
-- revision: 38ce5d9f027a sha256:625b8cbfea73fb92cc77dcbf50c7effc434f1107a0c33182c07c22d29a1c316b
-- revision: f4602b8d1ce7 sha256:cd24eb5245634d8d23ec6c95ccbf24257efde676cc732f58fd408f9c7b86e756
-- revision: 6a93d7e2f05b sha256:91bd4bd52c04ce475345c01f96c4b1ed352676f074304097e6a9488195d2d06b
-- revision: 1be8f4530ac6 sha256:a1dff4e6e292a9bc0e7999354f674c875e1d6bdeb32d653b581aa71ee78d0761
-- revision: cd27a09e6f84 sha256:b0a5e60b750af0196f8acc146075d4fbb05ed2db708349a52c0c64089d824219
-- revision: 84e3b15fd07c sha256:469f8bd4e60a086b12ea66a957c9005c54cccdc2b4fe77326a694e0dcf4a9df1
-- revision: f90d6ac2837e sha256:fb3ca8d95f86556541093a199a20e04b86c2a083d4a6aabdc203cbae350e96f4
-- revision: 270fb8e94d1a sha256:1141d3bd5acb8038e116657059632912c192a4eec0c588760fae4b8b07d27921
-- revision: 9e5c1d70ba36 sha256:109baeea8538736be24958b3a3def93df84a1f81a38a34f7c55d26dfc722a238
-- revision: b84f2e03d69c sha256:1d7360c2fe328830c3c59af4e4857b3a112145f6713cf60a0e5bc127ee17c582
-- revision: 03a6d9c7e5f1 sha256:ae55a3b03fb802cb8a8981a10a31a3c332afab932a43c6b110eae24ef69aaf3a
-- revision: ec715f8b2d40 sha256:4cbd7049667dbf17817800bb306bf4c285fd988f0b600cefe4c7fe7a49fa373f
-- revision: 4d0e93ba76fc sha256:d07bde6bd7bef9f7e8dceb2cff500198f77e33ea8b7677c40195255723ab5fac
-- revision: 79c8a2f1e05d sha256:0b9f401a99f0cf131af3d759078c7156a1cb150e7448bf3a449891cd2eb4da74
-- revision: d56b40e9c7a3 sha256:129f0c75f9c6b0570d0ae41c3657f4c5080a1804aee220ceb0b0e4ae7d3ee638

CREATE TABLE "bots" (
	id INTEGER NOT NULL,
	owner_id INTEGER NOT NULL,
	is_author BOOLEAN DEFAULT 1 NOT NULL,
	CONSTRAINT fk_bots_id_identities FOREIGN KEY(id) REFERENCES identities (id) ON DELETE CASCADE,
	CONSTRAINT fk_bots_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id),
	CONSTRAINT pk_bots PRIMARY KEY (id)
)
;
CREATE TABLE "commandblock" (
	id VARCHAR(36) NOT NULL,
	study_id VARCHAR(36) NOT NULL,
	"index" INTEGER NOT NULL,
	command VARCHAR(255) NOT NULL,
	args TEXT NOT NULL,
	version INTEGER NOT NULL,
	CONSTRAINT fk_commandblock_study_id_variantstudy FOREIGN KEY(study_id) REFERENCES variantstudy (id) ON DELETE CASCADE,
	CONSTRAINT pk_commandblock PRIMARY KEY (id)
)
;
CREATE TABLE "configdata" (
	"key" VARCHAR(255) NOT NULL,
	value TEXT NOT NULL,
	owner_id INTEGER,
	CONSTRAINT fk_configdata_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT pk_configdata PRIMARY KEY ("key")
)
;
CREATE TABLE "dataset" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	public BOOLEAN DEFAULT 0 NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	owner_id INTEGER,
	CONSTRAINT fk_dataset_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT pk_dataset PRIMARY KEY (id)
)
;
CREATE TABLE "dataset_matrices" (
	dataset_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	matrix_id VARCHAR(64) NOT NULL,
	CONSTRAINT fk_dataset_matrices_dataset_id_dataset FOREIGN KEY(dataset_id) REFERENCES dataset (id) ON DELETE CASCADE,
	CONSTRAINT fk_dataset_matrices_matrix_id_matrix FOREIGN KEY(matrix_id) REFERENCES matrix (id),
	CONSTRAINT pk_dataset_matrices PRIMARY KEY (dataset_id, name)
)
;
CREATE TABLE "file_download" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	filename VARCHAR(255) NOT NULL,
	path VARCHAR(255) NOT NULL,
	ready BOOLEAN DEFAULT 0 NOT NULL,
	expiration_date DATETIME,
	error_message TEXT,
	owner_id INTEGER,
	CONSTRAINT fk_file_download_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT pk_file_download PRIMARY KEY (id)
)
;
CREATE TABLE "group_metadata" (
	group_id VARCHAR(36) NOT NULL,
	study_id VARCHAR(36) NOT NULL,
	CONSTRAINT fk_group_metadata_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_group_metadata_study_id_study FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT pk_group_metadata PRIMARY KEY (group_id, study_id)
)
;
CREATE TABLE groups (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	CONSTRAINT pk_groups PRIMARY KEY (id)
)
;
CREATE TABLE identities (
	id INTEGER NOT NULL,
	name VARCHAR(255) NOT NULL,
	type VARCHAR(50) NOT NULL,
	CONSTRAINT pk_identities PRIMARY KEY (id)
)
;
CREATE TABLE "job_result" (
	id VARCHAR(36) NOT NULL,
	study_id VARCHAR(36) NOT NULL,
	launcher VARCHAR(255) NOT NULL,
	job_status VARCHAR(7) NOT NULL,
	creation_date DATETIME NOT NULL,
	completion_date DATETIME,
	exit_code INTEGER,
	owner_id INTEGER,
	solver_stats TEXT,
	CONSTRAINT ck_job_result_jobstatus CHECK (job_status IN ('PENDING', 'RUNNING', 'SUCCESS', 'FAILED')),
	CONSTRAINT fk_job_result_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT fk_job_result_study_id_study FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT pk_job_result PRIMARY KEY (id)
)
;
CREATE TABLE "launcherjoblog" (
	id INTEGER NOT NULL,
	message TEXT NOT NULL,
	log_type VARCHAR(6) NOT NULL,
	job_id VARCHAR(36) NOT NULL,
	CONSTRAINT ck_launcherjoblog_joblogtype CHECK (log_type IN ('BEFORE', 'AFTER')),
	CONSTRAINT fk_launcherjoblog_job_id_job_result FOREIGN KEY(job_id) REFERENCES job_result (id) ON DELETE CASCADE,
	CONSTRAINT pk_launcherjoblog PRIMARY KEY (id)
)
;
CREATE TABLE matrix (
	id VARCHAR(64) NOT NULL,
	width INTEGER NOT NULL,
	height INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	CONSTRAINT pk_matrix PRIMARY KEY (id)
)
;
CREATE TABLE "matrix_dataset_group" (
	dataset_id VARCHAR(36) NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	CONSTRAINT fk_matrix_dataset_group_dataset_id_dataset FOREIGN KEY(dataset_id) REFERENCES dataset (id) ON DELETE CASCADE,
	CONSTRAINT fk_matrix_dataset_group_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE,
	CONSTRAINT pk_matrix_dataset_group PRIMARY KEY (dataset_id, group_id)
)
;
CREATE TABLE "rawstudy" (
	id VARCHAR(36) NOT NULL,
	content_status VARCHAR(7) NOT NULL,
	workspace VARCHAR(255) DEFAULT 'default' NOT NULL,
	missing_since DATETIME,
	CONSTRAINT ck_rawstudy_studycontentstatus CHECK (content_status IN ('VALID', 'WARNING', 'ERROR')),
	CONSTRAINT fk_rawstudy_id_study FOREIGN KEY(id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT pk_rawstudy PRIMARY KEY (id)
)
;
CREATE TABLE "roles" (
	identity_id INTEGER NOT NULL,
	group_id VARCHAR(36) NOT NULL,
	type VARCHAR(6) NOT NULL,
	CONSTRAINT ck_roles_roletype CHECK (type IN ('ADMIN', 'RUNNER', 'WRITER', 'READER')),
	CONSTRAINT fk_roles_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_roles_identity_id_identities FOREIGN KEY(identity_id) REFERENCES identities (id) ON DELETE CASCADE,
	CONSTRAINT pk_roles PRIMARY KEY (identity_id, group_id)
)
;
CREATE TABLE "study" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	type VARCHAR(50) NOT NULL,
	version VARCHAR(255) NOT NULL,
	author VARCHAR(255) NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME NOT NULL,
	owner_id INTEGER,
	parent_id VARCHAR(36),
	path VARCHAR(255),
	public_mode VARCHAR(7) DEFAULT 'NONE' NOT NULL,
	archived BOOLEAN DEFAULT 0 NOT NULL,
	folder VARCHAR(255),
	last_access DATETIME,
	CONSTRAINT ck_study_publicmode CHECK (public_mode IN ('NONE', 'READ', 'EXECUTE', 'EDIT', 'FULL')),
	CONSTRAINT fk_study_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT fk_study_parent_id_study FOREIGN KEY(parent_id) REFERENCES study (id),
	CONSTRAINT pk_study PRIMARY KEY (id)
)
;
CREATE TABLE study_tag (
	study_id VARCHAR(36) NOT NULL,
	tag_label VARCHAR(255) NOT NULL,
	CONSTRAINT fk_study_tag_study_id_study FOREIGN KEY(study_id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT fk_study_tag_tag_label_tag FOREIGN KEY(tag_label) REFERENCES tag (label) ON DELETE CASCADE,
	CONSTRAINT pk_study_tag PRIMARY KEY (study_id, tag_label)
)
;
CREATE TABLE tag (
	label VARCHAR(255) NOT NULL,
	color VARCHAR(20),
	CONSTRAINT pk_tag PRIMARY KEY (label)
)
;
CREATE TABLE "taskjob" (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	status VARCHAR(9) NOT NULL,
	creation_date DATETIME NOT NULL,
	completion_date DATETIME,
	result TEXT,
	owner_id INTEGER,
	type VARCHAR(18) DEFAULT 'OTHER' NOT NULL,
	ref_id VARCHAR(36),
	CONSTRAINT ck_taskjob_taskstatus CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')),
	CONSTRAINT ck_taskjob_tasktype CHECK (type IN ('OTHER', 'ARCHIVE', 'UNARCHIVE', 'COPY', 'EXPORT', 'SCAN', 'UPGRADE_STUDY', 'VARIANT_GENERATION')),
	CONSTRAINT fk_taskjob_owner_id_identities FOREIGN KEY(owner_id) REFERENCES identities (id) ON DELETE SET NULL,
	CONSTRAINT fk_taskjob_ref_id_study FOREIGN KEY(ref_id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT pk_taskjob PRIMARY KEY (id)
)
;
CREATE TABLE "taskjoblog" (
	id INTEGER NOT NULL,
	message TEXT NOT NULL,
	task_id VARCHAR(36) NOT NULL,
	CONSTRAINT fk_taskjoblog_task_id_taskjob FOREIGN KEY(task_id) REFERENCES taskjob (id) ON DELETE CASCADE,
	CONSTRAINT pk_taskjoblog PRIMARY KEY (id)
)
;
CREATE TABLE "users" (
	id INTEGER NOT NULL,
	password_hash VARCHAR(255) NOT NULL,
	CONSTRAINT fk_users_id_identities FOREIGN KEY(id) REFERENCES identities (id) ON DELETE CASCADE,
	CONSTRAINT pk_users PRIMARY KEY (id)
)
;
CREATE TABLE "users_ldap" (
	id INTEGER NOT NULL,
	external_id VARCHAR(255) NOT NULL,
	firstname VARCHAR(255) NOT NULL,
	lastname VARCHAR(255) NOT NULL,
	CONSTRAINT fk_users_ldap_id_identities FOREIGN KEY(id) REFERENCES identities (id) ON DELETE CASCADE,
	CONSTRAINT pk_users_ldap PRIMARY KEY (id)
)
;
CREATE TABLE "variant_study_snapshot" (
	id VARCHAR(36) NOT NULL,
	created_at DATETIME NOT NULL,
	last_executed_command VARCHAR(36),
	CONSTRAINT fk_variant_study_snapshot_id_variantstudy FOREIGN KEY(id) REFERENCES variantstudy (id) ON DELETE CASCADE,
	CONSTRAINT pk_variant_study_snapshot PRIMARY KEY (id)
)
;
CREATE TABLE "variantstudy" (
	id VARCHAR(36) NOT NULL,
	generation_task_id VARCHAR(36),
	CONSTRAINT fk_variantstudy_generation_task_id_taskjob FOREIGN KEY(generation_task_id) REFERENCES taskjob (id) ON DELETE SET NULL,
	CONSTRAINT fk_variantstudy_id_study FOREIGN KEY(id) REFERENCES study (id) ON DELETE CASCADE,
	CONSTRAINT pk_variantstudy PRIMARY KEY (id)
)
;
CREATE INDEX ix_bots_owner_id ON bots (owner_id)
;
CREATE INDEX ix_commandblock_study_id ON commandblock (study_id)
;
CREATE INDEX ix_configdata_owner_id ON configdata (owner_id)
;
CREATE INDEX ix_dataset_matrices_matrix_id ON dataset_matrices (matrix_id)
;
CREATE INDEX ix_dataset_owner_id ON dataset (owner_id)
;
CREATE INDEX ix_file_download_owner_id ON file_download (owner_id)
;
CREATE INDEX ix_group_metadata_study_id ON group_metadata (study_id)
;
CREATE INDEX ix_job_result_owner_id ON job_result (owner_id)
;
CREATE INDEX ix_job_result_study_id ON job_result (study_id)
;
CREATE INDEX ix_launcherjoblog_job_id ON launcherjoblog (job_id)
;
CREATE INDEX ix_matrix_dataset_group_group_id ON matrix_dataset_group (group_id)
;
CREATE INDEX ix_rawstudy_missing_since ON rawstudy (missing_since)
;
CREATE INDEX ix_roles_group_id ON roles (group_id)
;
CREATE INDEX ix_study_folder ON study (folder)
;
CREATE INDEX ix_study_name ON study (name)
;
CREATE INDEX ix_study_owner_id ON study (owner_id)
;
CREATE INDEX ix_study_parent_id ON study (parent_id)
;
CREATE INDEX ix_study_tag_tag_label ON study_tag (tag_label)
;
CREATE INDEX ix_taskjob_creation_date ON taskjob (creation_date)
;
CREATE INDEX ix_taskjob_owner_id ON taskjob (owner_id)
;
CREATE INDEX ix_taskjob_ref_id ON taskjob (ref_id)
;
CREATE INDEX ix_taskjob_status ON taskjob (status)
;
CREATE INDEX ix_taskjoblog_task_id ON taskjoblog (task_id)
;
CREATE UNIQUE INDEX ix_users_ldap_external_id ON users_ldap (external_id)
;
CREATE INDEX ix_variantstudy_generation_task_id ON variantstudy (generation_task_id)
;
