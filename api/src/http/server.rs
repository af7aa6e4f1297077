//! The HTTP server around an application. Put together here from the same parts as actix-web's own `HttpServer`, because
//! that one has no place for a [`Connection`] between the socket and the protocol.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, fn_service};
use tokio::net::TcpStream;

use super::connection::Connection;

/// How long requests in flight have to finish after SIGTERM, s. Longer than the publish timeout.
pub const SHUTDOWN_TIMEOUT_S: u64 = 15;
/// How long an idle connection is kept: devices that report each minute need not connect anew.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a request's head may take to come, on a slow line or on a connection that was opened ahead of it. Beyond, the
/// answer is a 408, which a device that reads it as the answer to what it sends next may take for a refusal.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that is being closed waits for its client to do so too; the server's own default.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts answering requests, on so many threads, each with its own application.
pub fn start<F, I, S, B>(listener: TcpListener, threads: usize, application: F) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let server = Server::build().workers(threads).shutdown_timeout(SHUTDOWN_TIMEOUT_S).disable_signals();
    let shutdown = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let shutdown = shutdown.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            // Who has hung up takes no response: the handler ends, and its query with it.
            .h1_allow_half_closed(false)
            .client_request_timeout(REQUEST_HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .finish(map_config(application(), |()| AppConfig::default()));
        fn_service(accept).and_then(http)
    })?;
    Ok(server.run())
}

async fn accept(stream: TcpStream) -> Result<(Connection<TcpStream>, Protocol, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr().ok();
    // An answer in two pieces would otherwise wait 40 ms for the client's delayed acknowledgement of the first. A socket
    // that takes no option is closed already, which its first read tells.
    let _ = stream.set_nodelay(true);
    Ok((Connection::new(stream), Protocol::Http1, peer))
}
