-- The schema that the revisions below make. A new database loads it, and need not run them.
-- Generated: do not edit or merge it. Write it again with: inv db.snapshot
-- hash: sha256:7693324ad8c87ff3f4c5cafcabcc6b04ec956cfd73fd0df0efea6c6f6dc6bd4d
-- format: 1
-- engine: postgresql
-- proved: 15
-- proved: 18
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

CREATE TYPE joblogtype AS ENUM (
    'BEFORE',
    'AFTER'
)
;
CREATE TYPE jobstatus AS ENUM (
    'PENDING',
    'RUNNING',
    'SUCCESS',
    'FAILED'
)
;
CREATE TYPE publicmode AS ENUM (
    'NONE',
    'READ',
    'EXECUTE',
    'EDIT',
    'FULL'
)
;
CREATE TYPE roletype AS ENUM (
    'ADMIN',
    'RUNNER',
    'WRITER',
    'READER'
)
;
CREATE TYPE studycontentstatus AS ENUM (
    'VALID',
    'WARNING',
    'ERROR'
)
;
CREATE TYPE taskstatus AS ENUM (
    'PENDING',
    'RUNNING',
    'COMPLETED',
    'FAILED',
    'TIMEOUT',
    'CANCELLED'
)
;
CREATE TYPE tasktype AS ENUM (
    'OTHER',
    'ARCHIVE',
    'UNARCHIVE',
    'COPY',
    'EXPORT',
    'SCAN',
    'UPGRADE_STUDY',
    'VARIANT_GENERATION'
)
;
CREATE TABLE bots (
    id integer NOT NULL,
    owner_id integer NOT NULL,
    is_author boolean DEFAULT true NOT NULL
)
;
CREATE TABLE commandblock (
    id character varying(36) NOT NULL,
    study_id character varying(36) NOT NULL,
    index integer NOT NULL,
    command character varying(255) NOT NULL,
    args text NOT NULL,
    version integer NOT NULL
)
;
CREATE TABLE configdata (
    key character varying(255) NOT NULL,
    value text NOT NULL,
    owner_id integer
)
;
CREATE TABLE dataset (
    id character varying(36) NOT NULL,
    name character varying(255) NOT NULL,
    public boolean DEFAULT false NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    owner_id integer
)
;
CREATE TABLE dataset_matrices (
    dataset_id character varying(36) NOT NULL,
    name character varying(255) NOT NULL,
    matrix_id character varying(64) NOT NULL
)
;
CREATE TABLE file_download (
    id character varying(36) NOT NULL,
    name character varying(255) NOT NULL,
    filename character varying(255) NOT NULL,
    path character varying(255) NOT NULL,
    ready boolean DEFAULT false NOT NULL,
    expiration_date timestamp without time zone,
    error_message text,
    owner_id integer
)
;
CREATE TABLE group_metadata (
    group_id character varying(36) NOT NULL,
    study_id character varying(36) NOT NULL
)
;
CREATE TABLE groups (
    id character varying(36) NOT NULL,
    name character varying(255) NOT NULL
)
;
CREATE TABLE identities (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    type character varying(50) NOT NULL
)
;
CREATE SEQUENCE identities_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
;
ALTER SEQUENCE identities_id_seq OWNED BY identities.id
;
CREATE TABLE job_result (
    id character varying(36) NOT NULL,
    study_id character varying(36) NOT NULL,
    launcher character varying(255) NOT NULL,
    job_status jobstatus NOT NULL,
    creation_date timestamp without time zone NOT NULL,
    completion_date timestamp without time zone,
    exit_code integer,
    owner_id integer,
    solver_stats text
)
;
CREATE TABLE launcherjoblog (
    id integer CONSTRAINT joblog_id_not_null NOT NULL,
    message text CONSTRAINT joblog_message_not_null NOT NULL,
    log_type joblogtype CONSTRAINT joblog_log_type_not_null NOT NULL,
    job_id character varying(36) CONSTRAINT joblog_job_id_not_null NOT NULL
)
;
CREATE SEQUENCE launcherjoblog_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
;
ALTER SEQUENCE launcherjoblog_id_seq OWNED BY launcherjoblog.id
;
CREATE TABLE matrix (
    id character varying(64) NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    created_at timestamp without time zone NOT NULL
)
;
CREATE TABLE matrix_dataset_group (
    dataset_id character varying(36) NOT NULL,
    group_id character varying(36) NOT NULL
)
;
CREATE TABLE rawstudy (
    id character varying(36) NOT NULL,
    content_status studycontentstatus NOT NULL,
    workspace character varying(255) DEFAULT 'default'::character varying NOT NULL,
    missing_since timestamp without time zone
)
;
CREATE TABLE roles (
    identity_id integer NOT NULL,
    group_id character varying(36) NOT NULL,
    type roletype NOT NULL
)
;
CREATE TABLE study (
    id character varying(36) NOT NULL,
    name character varying(255) NOT NULL,
    type character varying(50) NOT NULL,
    version character varying(255) NOT NULL,
    author character varying(255) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    owner_id integer,
    parent_id character varying(36),
    path character varying(255),
    public_mode publicmode DEFAULT 'NONE'::publicmode NOT NULL,
    archived boolean DEFAULT false NOT NULL,
    folder character varying(255),
    last_access timestamp without time zone
)
;
CREATE TABLE study_tag (
    study_id character varying(36) NOT NULL,
    tag_label character varying(255) NOT NULL
)
;
CREATE TABLE tag (
    label character varying(255) NOT NULL,
    color character varying(20)
)
;
CREATE TABLE taskjob (
    id character varying(36) NOT NULL,
    name character varying(255) NOT NULL,
    status taskstatus NOT NULL,
    creation_date timestamp without time zone NOT NULL,
    completion_date timestamp without time zone,
    result text,
    owner_id integer,
    type tasktype DEFAULT 'OTHER'::tasktype NOT NULL,
    ref_id character varying(36)
)
;
CREATE TABLE taskjoblog (
    id integer NOT NULL,
    message text NOT NULL,
    task_id character varying(36) NOT NULL
)
;
CREATE SEQUENCE tasklog_id_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
;
CREATE TABLE users (
    id integer NOT NULL,
    password_hash character varying(255) CONSTRAINT users_pwd_not_null NOT NULL
)
;
CREATE TABLE users_ldap (
    id integer NOT NULL,
    external_id character varying(255) NOT NULL,
    firstname character varying(255) NOT NULL,
    lastname character varying(255) NOT NULL
)
;
CREATE TABLE variant_study_snapshot (
    id character varying(36) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    last_executed_command character varying(36)
)
;
CREATE TABLE variantstudy (
    id character varying(36) NOT NULL,
    generation_task_id character varying(36)
)
;
ALTER TABLE ONLY identities ALTER COLUMN id SET DEFAULT nextval('identities_id_seq'::regclass)
;
ALTER TABLE ONLY launcherjoblog ALTER COLUMN id SET DEFAULT nextval('launcherjoblog_id_seq'::regclass)
;
SELECT pg_catalog.setval('identities_id_seq', 1, false)
;
SELECT pg_catalog.setval('launcherjoblog_id_seq', 1, false)
;
SELECT pg_catalog.setval('tasklog_id_sequence', 1, false)
;
ALTER TABLE ONLY bots
    ADD CONSTRAINT pk_bots PRIMARY KEY (id)
;
ALTER TABLE ONLY commandblock
    ADD CONSTRAINT pk_commandblock PRIMARY KEY (id)
;
ALTER TABLE ONLY configdata
    ADD CONSTRAINT pk_configdata PRIMARY KEY (key)
;
ALTER TABLE ONLY dataset
    ADD CONSTRAINT pk_dataset PRIMARY KEY (id)
;
ALTER TABLE ONLY dataset_matrices
    ADD CONSTRAINT pk_dataset_matrices PRIMARY KEY (dataset_id, name)
;
ALTER TABLE ONLY file_download
    ADD CONSTRAINT pk_file_download PRIMARY KEY (id)
;
ALTER TABLE ONLY group_metadata
    ADD CONSTRAINT pk_group_metadata PRIMARY KEY (group_id, study_id)
;
ALTER TABLE ONLY groups
    ADD CONSTRAINT pk_groups PRIMARY KEY (id)
;
ALTER TABLE ONLY identities
    ADD CONSTRAINT pk_identities PRIMARY KEY (id)
;
ALTER TABLE ONLY job_result
    ADD CONSTRAINT pk_job_result PRIMARY KEY (id)
;
ALTER TABLE ONLY launcherjoblog
    ADD CONSTRAINT pk_launcherjoblog PRIMARY KEY (id)
;
ALTER TABLE ONLY matrix
    ADD CONSTRAINT pk_matrix PRIMARY KEY (id)
;
ALTER TABLE ONLY matrix_dataset_group
    ADD CONSTRAINT pk_matrix_dataset_group PRIMARY KEY (dataset_id, group_id)
;
ALTER TABLE ONLY rawstudy
    ADD CONSTRAINT pk_rawstudy PRIMARY KEY (id)
;
ALTER TABLE ONLY roles
    ADD CONSTRAINT pk_roles PRIMARY KEY (identity_id, group_id)
;
ALTER TABLE ONLY study
    ADD CONSTRAINT pk_study PRIMARY KEY (id)
;
ALTER TABLE ONLY study_tag
    ADD CONSTRAINT pk_study_tag PRIMARY KEY (study_id, tag_label)
;
ALTER TABLE ONLY tag
    ADD CONSTRAINT pk_tag PRIMARY KEY (label)
;
ALTER TABLE ONLY taskjob
    ADD CONSTRAINT pk_taskjob PRIMARY KEY (id)
;
ALTER TABLE ONLY taskjoblog
    ADD CONSTRAINT pk_taskjoblog PRIMARY KEY (id)
;
ALTER TABLE ONLY users
    ADD CONSTRAINT pk_users PRIMARY KEY (id)
;
ALTER TABLE ONLY users_ldap
    ADD CONSTRAINT pk_users_ldap PRIMARY KEY (id)
;
ALTER TABLE ONLY variant_study_snapshot
    ADD CONSTRAINT pk_variant_study_snapshot PRIMARY KEY (id)
;
ALTER TABLE ONLY variantstudy
    ADD CONSTRAINT pk_variantstudy PRIMARY KEY (id)
;
CREATE INDEX ix_bots_owner_id ON bots USING btree (owner_id)
;
CREATE INDEX ix_commandblock_study_id ON commandblock USING btree (study_id)
;
CREATE INDEX ix_configdata_owner_id ON configdata USING btree (owner_id)
;
CREATE INDEX ix_dataset_matrices_matrix_id ON dataset_matrices USING btree (matrix_id)
;
CREATE INDEX ix_dataset_owner_id ON dataset USING btree (owner_id)
;
CREATE INDEX ix_file_download_owner_id ON file_download USING btree (owner_id)
;
CREATE INDEX ix_group_metadata_study_id ON group_metadata USING btree (study_id)
;
CREATE INDEX ix_job_result_owner_id ON job_result USING btree (owner_id)
;
CREATE INDEX ix_job_result_study_id ON job_result USING btree (study_id)
;
CREATE INDEX ix_launcherjoblog_job_id ON launcherjoblog USING btree (job_id)
;
CREATE INDEX ix_matrix_dataset_group_group_id ON matrix_dataset_group USING btree (group_id)
;
CREATE INDEX ix_rawstudy_missing_since ON rawstudy USING btree (missing_since)
;
CREATE INDEX ix_roles_group_id ON roles USING btree (group_id)
;
CREATE INDEX ix_study_folder ON study USING btree (folder)
;
CREATE INDEX ix_study_name ON study USING btree (name)
;
CREATE INDEX ix_study_owner_id ON study USING btree (owner_id)
;
CREATE INDEX ix_study_parent_id ON study USING btree (parent_id)
;
CREATE INDEX ix_study_tag_tag_label ON study_tag USING btree (tag_label)
;
CREATE INDEX ix_taskjob_creation_date ON taskjob USING btree (creation_date)
;
CREATE INDEX ix_taskjob_owner_id ON taskjob USING btree (owner_id)
;
CREATE INDEX ix_taskjob_ref_id ON taskjob USING btree (ref_id)
;
CREATE INDEX ix_taskjob_status ON taskjob USING btree (status)
;
CREATE INDEX ix_taskjoblog_task_id ON taskjoblog USING btree (task_id)
;
CREATE UNIQUE INDEX ix_users_ldap_external_id ON users_ldap USING btree (external_id)
;
CREATE INDEX ix_variantstudy_generation_task_id ON variantstudy USING btree (generation_task_id)
;
ALTER TABLE ONLY bots
    ADD CONSTRAINT fk_bots_id_identities FOREIGN KEY (id) REFERENCES identities(id) ON DELETE CASCADE
;
ALTER TABLE ONLY bots
    ADD CONSTRAINT fk_bots_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id)
;
ALTER TABLE ONLY commandblock
    ADD CONSTRAINT fk_commandblock_study_id_variantstudy FOREIGN KEY (study_id) REFERENCES variantstudy(id) ON DELETE CASCADE
;
ALTER TABLE ONLY configdata
    ADD CONSTRAINT fk_configdata_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY dataset_matrices
    ADD CONSTRAINT fk_dataset_matrices_dataset_id_dataset FOREIGN KEY (dataset_id) REFERENCES dataset(id) ON DELETE CASCADE
;
ALTER TABLE ONLY dataset_matrices
    ADD CONSTRAINT fk_dataset_matrices_matrix_id_matrix FOREIGN KEY (matrix_id) REFERENCES matrix(id)
;
ALTER TABLE ONLY dataset
    ADD CONSTRAINT fk_dataset_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY file_download
    ADD CONSTRAINT fk_file_download_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY group_metadata
    ADD CONSTRAINT fk_group_metadata_group_id_groups FOREIGN KEY (group_id) REFERENCES groups(id) ON DELETE CASCADE
;
ALTER TABLE ONLY group_metadata
    ADD CONSTRAINT fk_group_metadata_study_id_study FOREIGN KEY (study_id) REFERENCES study(id) ON DELETE CASCADE
;
ALTER TABLE ONLY job_result
    ADD CONSTRAINT fk_job_result_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY job_result
    ADD CONSTRAINT fk_job_result_study_id_study FOREIGN KEY (study_id) REFERENCES study(id) ON DELETE CASCADE
;
ALTER TABLE ONLY launcherjoblog
    ADD CONSTRAINT fk_launcherjoblog_job_id_job_result FOREIGN KEY (job_id) REFERENCES job_result(id) ON DELETE CASCADE
;
ALTER TABLE ONLY matrix_dataset_group
    ADD CONSTRAINT fk_matrix_dataset_group_dataset_id_dataset FOREIGN KEY (dataset_id) REFERENCES dataset(id) ON DELETE CASCADE
;
ALTER TABLE ONLY matrix_dataset_group
    ADD CONSTRAINT fk_matrix_dataset_group_group_id_groups FOREIGN KEY (group_id) REFERENCES groups(id) ON DELETE CASCADE
;
ALTER TABLE ONLY rawstudy
    ADD CONSTRAINT fk_rawstudy_id_study FOREIGN KEY (id) REFERENCES study(id) ON DELETE CASCADE
;
ALTER TABLE ONLY roles
    ADD CONSTRAINT fk_roles_group_id_groups FOREIGN KEY (group_id) REFERENCES groups(id) ON DELETE CASCADE
;
ALTER TABLE ONLY roles
    ADD CONSTRAINT fk_roles_identity_id_identities FOREIGN KEY (identity_id) REFERENCES identities(id) ON DELETE CASCADE
;
ALTER TABLE ONLY study
    ADD CONSTRAINT fk_study_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY study
    ADD CONSTRAINT fk_study_parent_id_study FOREIGN KEY (parent_id) REFERENCES study(id)
;
ALTER TABLE ONLY study_tag
    ADD CONSTRAINT fk_study_tag_study_id_study FOREIGN KEY (study_id) REFERENCES study(id) ON DELETE CASCADE
;
ALTER TABLE ONLY study_tag
    ADD CONSTRAINT fk_study_tag_tag_label_tag FOREIGN KEY (tag_label) REFERENCES tag(label) ON DELETE CASCADE
;
ALTER TABLE ONLY taskjob
    ADD CONSTRAINT fk_taskjob_owner_id_identities FOREIGN KEY (owner_id) REFERENCES identities(id) ON DELETE SET NULL
;
ALTER TABLE ONLY taskjob
    ADD CONSTRAINT fk_taskjob_ref_id_study FOREIGN KEY (ref_id) REFERENCES study(id) ON DELETE CASCADE
;
ALTER TABLE ONLY taskjoblog
    ADD CONSTRAINT fk_taskjoblog_task_id_taskjob FOREIGN KEY (task_id) REFERENCES taskjob(id) ON DELETE CASCADE
;
ALTER TABLE ONLY users
    ADD CONSTRAINT fk_users_id_identities FOREIGN KEY (id) REFERENCES identities(id) ON DELETE CASCADE
;
ALTER TABLE ONLY users_ldap
    ADD CONSTRAINT fk_users_ldap_id_identities FOREIGN KEY (id) REFERENCES identities(id) ON DELETE CASCADE
;
ALTER TABLE ONLY variant_study_snapshot
    ADD CONSTRAINT fk_variant_study_snapshot_id_variantstudy FOREIGN KEY (id) REFERENCES variantstudy(id) ON DELETE CASCADE
;
ALTER TABLE ONLY variantstudy
    ADD CONSTRAINT fk_variantstudy_generation_task_id_taskjob FOREIGN KEY (generation_task_id) REFERENCES taskjob(id) ON DELETE SET NULL
;
ALTER TABLE ONLY variantstudy
    ADD CONSTRAINT fk_variantstudy_id_study FOREIGN KEY (id) REFERENCES study(id) ON DELETE CASCADE
;
