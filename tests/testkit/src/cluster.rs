//! A real etcd and a real kube-apiserver on loopback.

mod flux;
mod launch;
mod objects;
mod requests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use crate::client::Client;
use crate::kubeconfig::Kubeconfig;
use crate::pki::Pki;
use crate::supervise::Supervisor;
use crate::tools::Tools;

pub use flux::Flux;
pub use objects::UserKind;
pub(crate) use objects::made_namespaces;

/// A Kubernetes API without nodes and controllers: what kb talks to.
///
/// It lives in a private temporary directory and ends with this process,
/// however that ends; see `supervise.rs`.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Supervisor,
    pki: Pki,
    ports: launch::Ports,
    admin: Client,
    admin_token: String,
    nobody_token: String,
    is_shared: bool,
    namespaces: AtomicUsize,
}

impl Cluster {
    /// The one that all tests of this process share: each test takes a
    /// namespace of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Built before any test begins: beside them, Go would take their time.
            Tools::get().kustomize_controller();
            let mut cluster = Self::start();
            cluster.is_shared = true;
            cluster
        })
    }

    /// One of its own, for a test that breaks it or needs to own
    /// `flux-system`. It ends when it is dropped.
    ///
    /// # Panics
    /// If it is not ready within a minute; the text ends with the logs.
    #[must_use]
    pub fn start() -> Self {
        launch::launch()
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server(&self) -> String {
        self.ports.server()
    }

    /// The port of the API server.
    pub fn port(&self) -> u16 {
        self.ports.apiserver
    }

    /// Where the servers keep their files; gone when the cluster ends.
    pub fn dir(&self) -> &Path {
        self.supervisor.dir()
    }

    /// The certificate authority's certificate, a PEM file.
    pub fn ca_path(&self) -> PathBuf {
        self.dir().join(launch::CA)
    }

    /// The text of [`Cluster::ca_path`].
    pub fn ca_pem(&self) -> &str {
        &self.pki.ca
    }

    /// The token of user `admin`, who may do everything.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The token of user `nobody`, who may do nothing until [`Cluster::grant`].
    pub fn nobody_token(&self) -> &str {
        &self.nobody_token
    }

    /// The certificate of user `kb-admin`, who may do everything, a PEM file.
    pub fn client_cert_path(&self) -> PathBuf {
        self.dir().join(launch::CLIENT_CERT)
    }

    /// The key of [`Cluster::client_cert_path`], a PEM file.
    pub fn client_key_path(&self) -> PathBuf {
        self.dir().join(launch::CLIENT_KEY)
    }

    /// The text of [`Cluster::client_cert_path`].
    pub fn client_cert_pem(&self) -> &str {
        &self.pki.client_cert
    }

    /// The text of [`Cluster::client_key_path`].
    pub fn client_key_pem(&self) -> &str {
        &self.pki.client_key
    }

    /// A kubeconfig for this cluster, to be varied.
    pub fn kubeconfig(&self) -> Kubeconfig {
        Kubeconfig::new(self)
    }

    /// Raw access with a token of the test's choice.
    pub fn client_with_token(&self, token: &str) -> Client {
        Client::with_token(&self.server(), self.ca_pem(), token)
    }

    /// Raw access with the client certificate.
    pub fn client_with_certificate(&self) -> Client {
        Client::with_certificate(&self.server(), &self.pki)
    }

    /// The process ids of the servers that run now.
    pub fn pids(&self) -> Vec<u32> {
        [launch::ETCD, launch::APISERVER]
            .iter()
            .filter_map(|name| self.supervisor.pid(name))
            .collect()
    }

    /// What the API server has logged.
    pub fn apiserver_log(&self) -> String {
        self.supervisor.log(launch::APISERVER)
    }

    /// Kills the API server, as a crash would; etcd keeps what it has.
    ///
    /// # Panics
    /// On the shared cluster, which other tests are using.
    pub fn kill_apiserver(&self) {
        assert!(!self.is_shared, "only a cluster of one's own can be broken");
        self.supervisor.kill(launch::APISERVER);
    }

    /// Starts the API server again after [`Cluster::kill_apiserver`], on the
    /// same port with the same objects, and waits until it is ready.
    pub fn restart_apiserver(&self) {
        launch::restart(self);
    }

    /// Ends the servers and removes their directory; dropping does the same.
    pub fn end(self) {
        drop(self);
    }

    fn write(dir: &Path, name: &str, text: &str) {
        let file = dir.join(name);
        fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}
