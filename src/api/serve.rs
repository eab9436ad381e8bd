//! The API's connections: bounded in number, in the bytes of a head and of what waits to be read, and in time, under TLS if so
//! configured. Knows nothing of what is asked.

use crate::config::{self, ApiTls};
use crate::failure::{Exit, Failure};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use socket2::SockRef;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

const HEAD_BYTES: usize = 16 * 1_024;
const HEADERS: usize = 64;
/// An answer waits so long for its client to read on; so long, too, may nothing come back from a client that is gone.
const UNREAD: Duration = Duration::from_secs(30);
/// What the system keeps for a client that does not read.
const UNREAD_BYTES: usize = 128 * 1_024;
/// Between two tries to accept, when the process has no descriptor left.
const AGAIN: Duration = Duration::from_millis(100);

/// A bound listener that doesn't answer yet.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
    http: http1::Builder,
    patience: Duration,
}

impl Listener {
    /// Binds `api.listen`, with the certificate that is configured.
    pub async fn bind(listen: &str, config: &config::Api) -> Result<Self, Failure> {
        let tls = config.tls.as_ref().map(acceptor).transpose()?;
        let bad = |error: io::Error| {
            let next = "set api.listen to an address of this host and a free port, or to nothing";
            Failure::new(
                Exit::BadConfig,
                format!("api.listen {listen} can't be bound ({error}): {next}"),
            )
        };
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.request_timeout)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS);
        Ok(Self {
            tcp: TcpListener::bind(listen).await.map_err(bad)?,
            tls,
            connections: Arc::new(Semaphore::new(config.max_connections)),
            http,
            patience: config.request_timeout,
        })
    }

    /// Where it listens: the port that was given, if 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers until `shutdown`; then what is under way has `drain` to end.
    pub async fn serve(self, router: Router, shutdown: impl Future<Output = ()> + Send + 'static, drain: Duration) {
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.accept() => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (http, tls, patience) = (self.http.clone(), self.tls.clone(), self.patience);
            let (router, watcher) = (router.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _place = place;
                match tls {
                    None => connection(&http, stream, router, watcher).await,
                    Some(tls) => match timeout(patience, tls.accept(stream)).await {
                        Ok(Ok(stream)) => connection(&http, stream, router, watcher).await,
                        Ok(Err(error)) => tracing::debug!(%error, "api_handshake_failed"),
                        Err(_) => tracing::debug!("api_handshake_timed_out"),
                    },
                }
            });
        }
        drop(self.tcp);
        if timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("api_connections_cut");
        }
    }

    /// The next connection and its place among those that may be open.
    async fn accept(&self) -> Option<(TcpStream, impl Drop + Send + use<>)> {
        let place = self.connections.clone().acquire_owned().await.ok()?;
        match self.tcp.accept().await {
            Ok((stream, _)) => {
                bound(&stream);
                Some((stream, place))
            }
            Err(error) => {
                tracing::debug!(%error, "api_accept_failed");
                tokio::time::sleep(AGAIN).await;
                None
            }
        }
    }
}

/// What a system refuses of it is left as it is.
fn bound(stream: &TcpStream) {
    // Answers are small, and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_send_buffer_size(UNREAD_BYTES);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNREAD));
}

async fn connection<S>(http: &http1::Builder, stream: S, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    let stream = Box::pin(stream);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "api_connection_failed");
    }
}

fn acceptor(tls: &ApiTls) -> Result<TlsAcceptor, Failure> {
    let bad = |key: &str, path: &str, error: &dyn Display| {
        let sentence = format!("api.tls.{key} ({path}) can't be used ({error}): name a PEM file that can");
        Failure::new(Exit::BadConfig, sentence)
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&tls.certificate_file).and_then(Iterator::collect);
    let chain = chain.map_err(|error| bad("certificate_file", &tls.certificate_file, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file);
    let key = key.map_err(|error| bad("key_file", &tls.key_file, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| bad("certificate_file", &tls.certificate_file, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
