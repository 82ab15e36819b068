//! `serve`: the component behind HTTP, between two hops of a shipper.

mod batch;
mod connections;
mod door;
mod judge;
mod metrics;
mod next;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use clap::Args;
use reqwest::Url;
use tidewaiter::host::keeper::Keeper;
use tokio::sync::Semaphore;

use self::connections::{Bounded, Signals};
use self::door::Door;
use self::judge::Judge;
use self::metrics::Metrics;
use self::next::Next;
use super::exit::Usage;
use super::{input, style};

/// Connections that are open for one batch that is at work: most of them idle.
const CONNECTIONS_PER_BATCH: usize = 16;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The policy, read again when it changes; without one the built-in policy learns
    #[arg(short, long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// The folder that what is learned is kept in, and read from at the start
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where to listen; beyond loopback only with a token and TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9713")]
    listen: SocketAddr,
    /// Where enriched batches go, answered with the answer from there; without it they are the answer
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// A file with the token that requests have to bear
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate, in PEM, with those that vouch for it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The longest body, in MiB, as sent and unpacked; a longer one is answered 413
    #[arg(long, value_name = "MIB", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_body: u16,
    /// How many batches may be at work at once; one more is answered 429
    #[arg(long, value_name = "NUMBER", default_value = "16", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// How long a body or the next hop may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let is_open = !arguments.listen.ip().is_loopback();
    if is_open && (arguments.token_file.is_none() || arguments.tls_cert.is_none()) {
        let problem = format!("{} is not loopback: --token-file, --tls-cert and --tls-key too", arguments.listen);
        return Err(Usage(problem).into());
    }
    // ring is the one there is; somebody may have named it before.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let token = arguments.token_file.as_ref().map(token).transpose()?;
    let timeout = Duration::from_secs(arguments.timeout.into());
    let longest = usize::from(arguments.max_body) << 20;
    let next = arguments.forward.clone().map(|url| Next::new(url, timeout)).transpose()?;
    let mut keeper = Keeper::start(arguments.policy.clone(), arguments.state.clone(), style::warning)?;
    let version = keeper.version()?;
    let listener =
        TcpListener::bind(arguments.listen).with_context(|| format!("cannot listen at {}", arguments.listen))?;

    let (metrics, registry) = Metrics::new();
    let (judge, thread) = judge::start(keeper, 4 * longest, metrics.clone())?;
    let door = Door {
        judge: judge.clone(),
        next,
        token,
        free: Semaphore::new(arguments.concurrency.into()),
        longest,
        timeout,
        metrics,
        registry,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let served = runtime.block_on(serve(arguments, listener, door, judge, &version, timeout));
    // With the runtime goes whatever still has the judge, which then writes what was learned.
    drop(runtime);
    let saved = thread.join().map_err(|_| anyhow!("the judging thread broke off"))?;
    served?;
    saved?;
    Ok(ExitCode::SUCCESS)
}

fn token(path: impl AsRef<Path>) -> Result<[u8; 32]> {
    let path = path.as_ref();
    let text = input::read(path)?;
    match text.trim() {
        "" => Err(anyhow!("{} holds no token", path.display())),
        token => Ok(door::hash(token.as_bytes())),
    }
}

async fn serve(
    arguments: &Arguments,
    listener: TcpListener,
    door: Door,
    judge: Judge,
    version: &str,
    timeout: Duration,
) -> Result<()> {
    let address = listener.local_addr().context("cannot listen")?;
    let files = arguments.tls_cert.clone().zip(arguments.tls_key.clone());
    let tls = match files {
        Some((cert, key)) => {
            let read = connections::certified(&cert, &key).await;
            let config = read.with_context(|| format!("cannot use {} and {}", cert.display(), key.display()))?;
            Some((cert, key, RustlsConfig::from_config(config)))
        }
        None => None,
    };
    let handle = Handle::new();
    let most = CONNECTIONS_PER_BATCH * usize::from(arguments.concurrency);
    let bounded = Bounded { control: handle.control(), most };
    let mut server = axum_server::from_tcp(listener).context("cannot listen")?.handle(handle.clone()).http1_only();
    server.http_builder().http1().header_read_timeout(timeout);
    let router = door::router(door).into_make_service();

    let config = tls.as_ref().map(|(.., config)| config.clone());
    let signals = tokio::spawn(Signals { judge, handle, tls, patience: timeout }.heed());
    announce(arguments, address, version);
    let done = match config {
        Some(config) => server.acceptor(RustlsAcceptor::new(config).acceptor(bounded)).serve(router).await,
        None => server.acceptor(bounded).serve(router).await,
    };
    signals.abort();
    done.context("cannot serve")
}

/// Says once where it listens, and what it does.
fn announce(arguments: &Arguments, address: SocketAddr, version: &str) {
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let next = arguments.forward.as_ref().map_or_else(String::new, |url| {
        // Whoever reads the log need not know the password.
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        format!(", forwarding to {}://{host}{port}{}", url.scheme(), url.path())
    });
    let (version, policy) = version.split_once(' ').unwrap_or((version, ""));
    anstream::eprintln!("tidewaiter {version} with policy {policy} listens at {scheme}://{address}{next}");
}
