//! Starts the servers of a cluster and waits until they answer.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use super::Cluster;
use crate::client::Client;
use crate::pki::Pki;
use crate::supervise::Supervisor;
use crate::tools::Tools;

pub(super) const ETCD: &str = "etcd";
pub(super) const APISERVER: &str = "kube-apiserver";

pub(super) const CA: &str = "ca.pem";
pub(super) const CLIENT_CERT: &str = "client.pem";
pub(super) const CLIENT_KEY: &str = "client-key.pem";
const SERVER_CERT: &str = "server.pem";
const SERVER_KEY: &str = "server-key.pem";
const ACCOUNT_KEY: &str = "account-key.pem";
const ACCOUNT_PUBLIC_KEY: &str = "account-public-key.pem";
const TOKENS: &str = "tokens.csv";

/// How long a server may take: 3 s alone, more when every core is busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    pub(super) fn server(self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver)
    }

    /// Two ports that are free now. Another process may take one before the
    /// server does; then the launch is tried again.
    fn choose() -> Self {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        let listeners = [bind(), bind()];
        let [etcd, apiserver] = listeners.map(|listener| {
            let address = listener.local_addr().expect("it is bound");
            address.port()
        });
        Self { etcd, apiserver }
    }
}

/// Why a server does not answer.
struct Failure {
    reason: String,
    port_was_taken: bool,
}

/// Starts a cluster, once more with new ports if one was taken meanwhile.
pub(super) fn launch() -> Cluster {
    let first = match try_launch() {
        Ok(cluster) => return cluster,
        Err(failure) => failure,
    };
    assert!(first.port_was_taken, "{}", first.reason);
    match try_launch() {
        Ok(cluster) => cluster,
        Err(second) => panic!("{}", second.reason),
    }
}

fn try_launch() -> Result<Cluster, Failure> {
    let tools = Tools::get();
    let pki = Pki::generate();
    let ports = Ports::choose();
    let admin_token = random_token();
    let nobody_token = random_token();
    let supervisor = Supervisor::new("kb-cluster-");
    let dir = supervisor.dir();

    for (name, text) in [
        (CA, &pki.ca),
        (CLIENT_CERT, &pki.client_cert),
        (CLIENT_KEY, &pki.client_key),
        (SERVER_CERT, &pki.server_cert),
        (SERVER_KEY, &pki.server_key),
        (ACCOUNT_KEY, &pki.account_key),
        (ACCOUNT_PUBLIC_KEY, &pki.account_public_key),
    ] {
        Cluster::write(dir, name, text);
    }
    let tokens =
        format!("{admin_token},admin,1,\"system:masters\"\n{nobody_token},nobody,2,\"none\"\n");
    Cluster::write(dir, TOKENS, &tokens);

    // The API server asks for etcd at once, and waits a full second before
    // it asks again.
    supervisor.start(ETCD, &tools.etcd, &etcd_args(dir, ports));
    wait_until(&supervisor, ETCD, || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, ports.etcd)).is_ok()
    })?;
    supervisor.start(
        APISERVER,
        &tools.kube_apiserver,
        &apiserver_args(dir, ports),
    );
    let admin = Client::with_token(&ports.server(), &pki.ca, &admin_token);
    wait_until(&supervisor, APISERVER, || is_ready(&admin))?;

    Ok(Cluster {
        supervisor,
        pki,
        ports,
        admin,
        admin_token,
        nobody_token,
        is_shared: false,
        namespaces: AtomicUsize::new(0),
    })
}

/// Starts the API server of a cluster whose own has been killed.
pub(super) fn restart(cluster: &Cluster) {
    let args = apiserver_args(cluster.dir(), cluster.ports);
    let supervisor = &cluster.supervisor;
    supervisor.start(APISERVER, &Tools::get().kube_apiserver, &args);
    if let Err(failure) = wait_until(supervisor, APISERVER, || is_ready(&cluster.admin)) {
        panic!("{}", failure.reason);
    }
}

fn is_ready(admin: &Client) -> bool {
    matches!(admin.try_request("GET", "/readyz", None), Ok((200, _)))
}

fn wait_until(
    supervisor: &Supervisor,
    name: &str,
    ready: impl Fn() -> bool,
) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let reason = loop {
        if let Some(code) = supervisor.exit_code(name) {
            break format!("{name} ended with code {code} before it was ready");
        }
        if ready() {
            return Ok(());
        }
        if Instant::now() > deadline {
            break format!("{name} was not ready within {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    };
    let log = supervisor.log(name);
    Err(Failure {
        port_was_taken: log.contains("address already in use"),
        reason: format!(
            "{reason}\n{}{}",
            tail(ETCD, &supervisor.log(ETCD)),
            tail(APISERVER, &supervisor.log(APISERVER))
        ),
    })
}

/// The end of a log, under the name of its server.
fn tail(name: &str, log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(30)..];
    format!("--- the end of {name}'s log\n{}\n", last.join("\n"))
}

fn etcd_args(dir: &Path, ports: Ports) -> Vec<String> {
    let url = format!("http://127.0.0.1:{}", ports.etcd);
    vec![
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        // A single member has no peers, but etcd insists on listening.
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn apiserver_args(dir: &Path, ports: Ports) -> Vec<String> {
    let file = |name: &str| dir.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.apiserver),
        format!("--cert-dir={}", file("apiserver")),
        format!("--tls-cert-file={}", file(SERVER_CERT)),
        format!("--tls-private-key-file={}", file(SERVER_KEY)),
        format!("--client-ca-file={}", file(CA)),
        format!("--token-auth-file={}", file(TOKENS)),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kb-test.example".to_owned(),
        format!("--service-account-key-file={}", file(ACCOUNT_PUBLIC_KEY)),
        format!("--service-account-signing-key-file={}", file(ACCOUNT_KEY)),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        // No controller makes the accounts that it would wait for.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]
}

/// Not to be guessed by another user of this machine: loopback is everyone's.
fn random_token() -> String {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("/dev/urandom can be read");
    let mut token = "kb-test-".to_owned();
    for byte in bytes {
        let _ = write!(token, "{byte:02x}");
    }
    token
}
