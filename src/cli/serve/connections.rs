//! Connections: no more of them than there is room for, and ended by signals.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Control, Handle};
use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::judge::Judge;
use crate::cli::style;

/// Certificate and key, for HTTP/1.1: a client must not be offered what is not spoken here.
pub async fn certified(cert: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let read = RustlsConfig::from_pem_file(cert, key).await?;
    let mut config = ServerConfig::clone(&read.get_inner());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts connections up to a number.
#[derive(Clone)]
pub struct Bounded {
    pub control: Control,
    pub most: usize,
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let has_room = self.control.connection_count() <= self.most;
        let accepted = if has_room { stream.set_nodelay(true) } else { Err(io::ErrorKind::QuotaExceeded.into()) };
        ready(accepted.map(|()| (stream, service)))
    }
}

/// What signals are about.
pub struct Signals {
    pub judge: Judge,
    pub handle: Handle<SocketAddr>,
    /// Certificate, key, and where they are in use.
    pub tls: Option<(PathBuf, PathBuf, RustlsConfig)>,
    /// How long what is in flight may take when the program is to end.
    pub patience: Duration,
}

impl Signals {
    fn end(&self) {
        self.handle.graceful_shutdown(Some(self.patience));
    }

    /// A hang-up reads policy and certificate again. A request to end lets what is in flight come to its end; a second
    /// one does not.
    #[cfg(unix)]
    pub async fn heed(self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut is_asked = false;
        loop {
            tokio::select! {
                _ = hang_up.recv() => {
                    self.reload().await;
                    continue;
                }
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if is_asked {
                self.handle.shutdown();
            } else {
                self.end();
            }
            is_asked = true;
        }
    }

    #[cfg(not(unix))]
    pub async fn heed(self) -> io::Result<()> {
        tokio::signal::ctrl_c().await?;
        self.end();
        Ok(())
    }

    #[cfg(unix)]
    async fn reload(&self) {
        self.judge.reload();
        let Some((cert, key, config)) = &self.tls else { return };
        match certified(cert, key).await {
            Ok(certified) => config.reload_from_config(certified),
            Err(error) => {
                style::warning(&format!("cannot use {}: {error}; the certificate before stays", cert.display()))
            }
        }
    }
}
