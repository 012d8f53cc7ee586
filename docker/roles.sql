-- The role of the application: it owns nothing, and each upgrade gives it the rights that it needs. Run it as often as
-- you like, as the owner of the database; it takes the password from the variable DB_PASSWORD.

\set ON_ERROR_STOP on
\set password `printf %s "$DB_PASSWORD"`

SELECT 'CREATE ROLE antarest LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'antarest') \gexec
ALTER ROLE antarest PASSWORD :'password';
