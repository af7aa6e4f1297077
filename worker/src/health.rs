//! `/livez`, `/readyz`, `/metrics` of the worker, and the `healthcheck` command.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// The worker is ready while it consumes.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    pub fn set_consuming(&self, consuming: bool) {
        self.0.store(consuming, Ordering::Relaxed);
    }

    fn is_consuming(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves `/livez`, `/readyz` and `/metrics`.
pub fn serve(address: SocketAddr, readiness: Arc<Readiness>, metrics: PrometheusHandle) -> std::io::Result<Server> {
    let listener = std::net::TcpListener::bind(address)?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics");
    let (readiness, metrics) = (Data::from(readiness), Data::new(metrics));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(readiness.clone())
            .app_data(metrics.clone())
            .route("/livez", web::get().to(|| async { "ok" }))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(render))
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    if readiness.is_consuming() {
        HttpResponse::Ok().body("ready")
    } else {
        HttpResponse::ServiceUnavailable().body("not consuming")
    }
}

async fn render(metrics: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(metrics.render())
}

/// Succeeds when the worker on this machine answers `/readyz` with 200.
pub async fn check(port: u16) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let response = tokio::time::timeout(HEALTHCHECK_TIMEOUT, async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        Ok::<_, std::io::Error>(response)
    })
    .await??;
    if response.starts_with("HTTP/1.1 200") { Ok(()) } else { Err("not ready".into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::{Readiness, check, serve};

    /// A port that was free a moment ago.
    async fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn the_health_check_succeeds_only_while_the_worker_consumes() {
        let (port, readiness) = (free_port().await, Arc::new(Readiness::default()));
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let server = serve(([127, 0, 0, 1], port).into(), Arc::clone(&readiness), metrics).unwrap();
        let handle = server.handle();
        let server = tokio::spawn(server);
        assert_eq!(check(port).await.unwrap_err().to_string(), "not ready");
        readiness.set_consuming(true);
        check(port).await.unwrap();
        readiness.set_consuming(false);
        assert!(check(port).await.is_err(), "between two sessions");
        handle.stop(false).await;
        server.await.unwrap().unwrap();
        assert!(check(port).await.is_err(), "nothing listens");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_an_error_at_the_start() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        assert!(serve(taken.local_addr().unwrap(), Arc::default(), metrics).is_err());
    }

    #[tokio::test]
    async fn a_server_that_answers_something_else_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
        });
        assert!(check(port).await.is_err());
        server.await.unwrap();
    }
}
