//! `tidewaiter serve`, started and ended by its handle, and a next hop that answers as it is told.

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, RequestBuilder};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test to its end.
pub fn run(test: impl Future<Output = ()>) {
    run_for(PATIENCE, test);
}

/// Runs a test that takes longer than others.
pub fn run_for(patience: Duration, test: impl Future<Output = ()>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(patience, test).await.expect("the test hangs") });
}

/// Waits for something to come true.
pub async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE / 2, looks).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

pub fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// The program. It ends with the value.
pub struct Sidecar {
    child: Child,
    log: Arc<Mutex<String>>,
    pub url: String,
    pub client: Client,
}

impl Sidecar {
    /// Starts it on a port that is free, with some arguments more.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments).await
    }

    pub async fn start_at(address: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidewaiter"))
            .args(["serve", "--listen", address])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, lines) = (child.stderr.take().unwrap(), Arc::clone(&log));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut sidecar = Self { child, log, url: String::new(), client: client() };
        until("it listens", async || {
            let ended = sidecar.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", sidecar.log());
            let log = sidecar.log();
            let url = log.split_once(" listens at ").and_then(|(_, rest)| rest.split([',', '\n']).next());
            sidecar.url = url.unwrap_or_default().to_owned();
            !sidecar.url.is_empty() && log.ends_with('\n')
        })
        .await;
        sidecar
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn post(&self, body: impl Into<Vec<u8>>) -> RequestBuilder {
        self.client.post(&self.url).header("content-type", "application/x-ndjson").body(body.into())
    }

    /// Posts a batch, and gives status and body of the answer.
    pub async fn send(&self, body: impl Into<Vec<u8>>) -> (u16, Vec<u8>) {
        let answer = self.post(body).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    /// One of its numbers; none where it has not counted yet.
    pub async fn number(&self, name: &str) -> Option<f64> {
        let page = self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
        line.map(|number| number.parse().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("it ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Asks it to end.
    pub async fn end(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}\n{}", self.log());
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A next hop.
#[derive(Clone)]
pub struct Next {
    pub address: SocketAddr,
    batches: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    status: Arc<AtomicU16>,
    is_open: watch::Sender<bool>,
}

impl Next {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let next = Self {
            address: listener.local_addr().unwrap(),
            batches: Arc::default(),
            status: Arc::new(AtomicU16::new(200)),
            is_open: watch::Sender::new(true),
        };
        let it = next.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            it.batches.lock().unwrap().push((headers, body));
            it.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
            let status = StatusCode::from_u16(it.status.load(Ordering::SeqCst)).unwrap();
            (status, "so says the next hop")
        };
        let limit = axum::extract::DefaultBodyLimit::disable();
        let router = Router::new().route("/", post(take)).layer(limit);
        tokio::spawn(async move { axum::serve(listener, router).await });
        next
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Has it answer with another status from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Has it take batches, and answer only when it is open again.
    pub fn open(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }

    /// The batches that it has got so far.
    pub fn batches(&self) -> Vec<(HeaderMap, Bytes)> {
        self.batches.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.batches().into_iter().map(|(_, body)| body.to_vec()).collect()
    }
}
