//! How the API and the workers of a case are started.

use std::path::Path;

use pulso_testkit::{Failure, LogTarget, Program, RunningProgram, free_port};

use crate::testbed::Testbed;

/// Name of the administrator account that every API creates.
pub const ADMINISTRATOR: &str = "faults-admin";

/// Environment variables that a case sets.
pub type Variables = Vec<(&'static str, String)>;

/// An API or a worker that keeps its address over restarts.
#[derive(Debug, Clone)]
pub struct Replica {
    program: Program,
    url: String,
}

impl Replica {
    /// An API.
    pub fn api(
        testbed: &Testbed,
        place: usize,
        prefix: &str,
        wanted: &Variables,
        logs: &Path,
    ) -> Result<Self, Failure> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let own = [
            ("QUEUE_PREFIX", prefix.to_owned()),
            ("BIND_ADDRESS", address.clone()),
            ("HTTP_WORKERS", "2".to_owned()),
            ("JWT_SECRET", testbed.secret.clone()),
            ("ADMIN_USERNAME", ADMINISTRATOR.to_owned()),
            ("ADMIN_PASSWORD", testbed.secret.clone()),
            ("BCRYPT_COST", "4".to_owned()),
            ("INGEST_MAX_HZ", "0".to_owned()),
            ("LOGIN_ADDRESS_MAX_PER_MINUTE", "0".to_owned()),
        ];
        let program = program(testbed, &format!("api-{place}"), "pulso-api", "serve", logs);
        Ok(Self { program: with_variables(program, own.iter().chain(wanted)), url: format!("http://{address}") })
    }

    /// A worker; its URL is that of its health and metrics.
    pub fn worker(
        testbed: &Testbed,
        place: usize,
        prefix: &str,
        wanted: &Variables,
        logs: &Path,
    ) -> Result<Self, Failure> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let own = [("QUEUE_PREFIX", prefix.to_owned()), ("OPS_ADDRESS", address.clone())];
        let program = program(testbed, &format!("worker-{place}"), "pulso-worker", "run", logs);
        Ok(Self { program: with_variables(program, own.iter().chain(wanted)), url: format!("http://{address}") })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts it, and waits until it is ready.
    pub async fn start(&self) -> Result<RunningProgram, Failure> {
        self.program.start_ready(&self.ready_url()).await
    }

    /// Starts all of them at once, and waits until they are ready.
    pub async fn start_all(replicas: &[Self]) -> Result<Vec<RunningProgram>, Failure> {
        let mut running = replicas.iter().map(|replica| replica.program.start()).collect::<Result<Vec<_>, _>>()?;
        for (program, replica) in running.iter_mut().zip(replicas) {
            program.ready(&replica.ready_url()).await?;
        }
        Ok(running)
    }

    /// Runs a command of its executable, with its environment, to its end; what it printed.
    pub async fn run_command(&self, arguments: &[&str]) -> Result<String, Failure> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Program { arguments, ..self.program.clone() }.output().await
    }

    fn ready_url(&self) -> String {
        format!("{}/readyz", self.url)
    }
}

/// Brings the schema up to date.
pub async fn migrate(testbed: &Testbed) -> Result<(), Failure> {
    let migration = Program {
        name: "pulso-api".to_owned(),
        executable: testbed.executable("pulso-api"),
        arguments: vec!["migrate".to_owned()],
        environment: vec![("DATABASE_URL".to_owned(), testbed.servers.database_url.clone())],
        inherits_environment: true,
        ..Program::default()
    };
    migration.output().await.map(drop)
}

/// A program with the variables that API and worker both need.
fn program(testbed: &Testbed, name: &str, executable: &str, command: &str, logs: &Path) -> Program {
    let servers = &testbed.servers;
    let common = [
        ("DATABASE_URL", servers.database_url.clone()),
        ("AMQP_URL", servers.amqp_url.clone()),
        ("REDIS_URL", servers.redis_url.clone()),
        ("RUST_LOG", "info".to_owned()),
    ];
    let program = Program {
        name: name.to_owned(),
        executable: testbed.executable(executable),
        arguments: vec![command.to_owned()],
        own_process_group: true,
        log: LogTarget::Folder(logs.to_owned()),
        ..Program::default()
    };
    with_variables(program, common.iter())
}

/// Later variables override earlier ones of the same name.
fn with_variables<'a>(mut program: Program, more: impl Iterator<Item = &'a (&'static str, String)>) -> Program {
    program.environment.extend(more.map(|(name, value)| ((*name).to_owned(), value.clone())));
    program
}
