//! Where the real programs are: sops, age, etcd, kube-apiserver, kubectl, Flux.

mod build;
mod catalog;
mod search;

use std::path::PathBuf;
use std::sync::OnceLock;

use catalog::Tool;
pub(crate) use catalog::required_version;
use search::Places;

/// The programs that the tests run for real.
///
/// Each is taken from `$KUBEBUILDER_ASSETS` (the convention of
/// controller-runtime), else from `PATH`, else from a cache outside the
/// clone, into which it is built once, with Go, from the module that pins its
/// version under `tests/tools`.
#[derive(Debug)]
pub struct Tools {
    /// sops, not older than [`Tools::OLDEST_SOPS`].
    pub sops: PathBuf,
    /// age-keygen.
    pub age_keygen: PathBuf,
    /// age.
    pub age: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
}

impl Tools {
    /// The oldest sops that the tests accept: the one whose messages, exit
    /// codes and options they pin.
    pub const OLDEST_SOPS: (u64, u64, u64) = search::OLDEST_SOPS;

    /// All programs but kubectl and Flux's, found or built once per process.
    ///
    /// # Panics
    /// If one is nowhere and cannot be built; the text says what to do.
    pub fn get() -> &'static Self {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        TOOLS.get_or_init(|| {
            let [sops, age_keygen, age, etcd, kube_apiserver] = Places::from_env().locate_all([
                Tool::Sops,
                Tool::AgeKeygen,
                Tool::Age,
                Tool::Etcd,
                Tool::KubeApiserver,
            ]);
            Self {
                sops,
                age_keygen,
                age,
                etcd,
                kube_apiserver,
            }
        })
    }

    /// Flux's kustomize-controller, which the demo does without.
    ///
    /// # Panics
    /// As [`Tools::get`].
    pub fn kustomize_controller(&self) -> PathBuf {
        static CONTROLLER: OnceLock<PathBuf> = OnceLock::new();
        CONTROLLER
            .get_or_init(|| Places::from_env().locate(Tool::KustomizeController))
            .clone()
    }

    /// The oldest sops that kb works with, as a second judge. It comes from the cache alone.
    ///
    /// # Panics
    /// As [`Tools::get`].
    pub fn oldest_sops(&self) -> PathBuf {
        static OLDEST: OnceLock<PathBuf> = OnceLock::new();
        OLDEST
            .get_or_init(|| Places::from_env().locate(Tool::OldestSops))
            .clone()
    }

    /// A program that says which proxy Go takes; it comes from the cache alone.
    ///
    /// # Panics
    /// As [`Tools::get`].
    pub fn proxy() -> PathBuf {
        static PROXY: OnceLock<PathBuf> = OnceLock::new();
        PROXY
            .get_or_init(|| Places::from_env().locate(Tool::Proxy))
            .clone()
    }

    /// kubectl, the judge of kubeconfigs and manifests. It comes from the cache alone, where
    /// it is built when it is first asked for.
    ///
    /// # Panics
    /// As [`Tools::get`].
    pub fn kubectl(&self) -> PathBuf {
        static KUBECTL: OnceLock<PathBuf> = OnceLock::new();
        KUBECTL
            .get_or_init(|| Places::from_env().locate(Tool::Kubectl))
            .clone()
    }
}
