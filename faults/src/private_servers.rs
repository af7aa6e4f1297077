//! The private PostgreSQL, RabbitMQ and Redis: started by `scripts/services`, killed and stopped by process id.

use pulso_testkit::Failure;
use rustix::process::Signal;

use crate::script::Script;
use crate::server_process::end_process;

/// A server whose process is ended. Redis is reached through a proxy instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// RabbitMQ.
    RabbitMq,
}

impl Server {
    /// The variable of its pid in what `scripts/services env` prints.
    fn pid_variable(self) -> &'static str {
        match self {
            Self::Postgres => "PG_PID",
            Self::RabbitMq => "RABBITMQ_PID",
        }
    }

    /// The signal for an orderly stop.
    fn stop_signal(self) -> Signal {
        match self {
            // A fast shutdown; with SIGTERM it would wait until all clients have disconnected.
            Self::Postgres => Signal::INT,
            Self::RabbitMq => Signal::TERM,
        }
    }
}

/// PostgreSQL, RabbitMQ and Redis of this suite.
#[derive(Debug, Clone)]
pub struct PrivateServers {
    script: Script,
    /// URL of PostgreSQL.
    pub database_url: String,
    /// URL of RabbitMQ.
    pub amqp_url: String,
    /// URL of Redis.
    pub redis_url: String,
}

impl PrivateServers {
    /// Starts all three, without any data.
    pub async fn start(script: Script) -> Result<Self, Failure> {
        script.run(&["down"]).await?;
        script.run(&["forget"]).await?;
        script.run(&["up"]).await?;
        let variables = script.variables().await?;
        let variable = |name: &str| variables.get(name).cloned().ok_or_else(|| format!("scripts/services: no {name}"));
        Ok(Self {
            database_url: variable("DATABASE_URL")?,
            amqp_url: variable("AMQP_URL")?,
            redis_url: variable("REDIS_URL")?,
            script,
        })
    }

    /// Starts those of the three that do not run, and waits until they answer.
    pub async fn up(&self) -> Result<(), Failure> {
        self.script.run(&["up"]).await.map(drop)
    }

    /// Stops all three in order; their data stays.
    pub async fn down(&self) -> Result<(), Failure> {
        self.script.run(&["down"]).await.map(drop)
    }

    /// Stops all three, and removes their data.
    pub async fn remove(&self) -> Result<(), Failure> {
        self.down().await?;
        self.script.run(&["forget"]).await.map(drop)
    }

    /// Stops one in order.
    pub async fn stop(&self, server: Server) -> Result<(), Failure> {
        end_process(self.script.pid(server.pid_variable()).await?, server.stop_signal()).await
    }

    /// Kills one.
    pub async fn kill(&self, server: Server) -> Result<(), Failure> {
        end_process(self.script.pid(server.pid_variable()).await?, Signal::KILL).await
    }

    /// Runs `rabbitmqctl`.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.script.run(&[&["rabbitmqctl"], arguments].concat()).await
    }

    /// Runs one statement as PostgreSQL's superuser, who can do so only while the server is down.
    pub async fn superuser_sql(&self, statement: &str) -> Result<(), Failure> {
        self.script.run(&["superuser-sql", statement]).await.map(drop)
    }
}
