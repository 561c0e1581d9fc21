//! The Kubernetes API server, by way of kube. Nothing else talks to it.
//!
//! | module | does |
//! | --- | --- |
//! | this one | the few requests that kb makes |
//! | [`kubeconfig`] | finds out where the server is and who asks |
//! | `proxy` | which proxy leads to it |
//! | `exec_plugin` | runs a credential plugin once |
//! | `client` | opens the connection |
//! | `resolver` | looks up names for it |
//! | `retry` | waits where the server asks for it |
//! | `stored_secret`, `kustomization`, `controller` | the objects that kb reads |
//! | `error` | what can go wrong |

mod client;
mod controller;
mod error;
mod exec_plugin;
pub mod kubeconfig;
mod kustomization;
mod proxy;
mod resolver;
mod retry;
mod stored_secret;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use secrecy::{ExposeSecret, SecretString};

pub use controller::Controller;
pub use error::{ApiRequest, ClusterError};
pub use exec_plugin::{PluginError, PluginFailure};
pub use kubeconfig::{ClusterTarget, ContextChoice, Exposure, KubeconfigError, KubeconfigSource};
pub use kustomization::{GIT_SOURCE, Kustomization, SourceRef};
#[cfg(feature = "internals")]
pub use proxy::of_environment;
pub use proxy::{ProxyError, ProxyVariables};
pub use stored_secret::StoredSecret;

/// A Secret's place in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName {
    /// The namespace, `flux-system` by default.
    pub namespace: String,
    /// The Secret's name, `sops-age` by default.
    pub name: String,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A request that is only tried, with the server's `dryRun=All`, or one that is
/// carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The server validates, authorizes and admits it, and stores nothing.
    DryRun,
    /// It is carried out.
    Persist,
}

/// What became of a request to create something.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now, with this uid (in [`Mode::DryRun`]: it would be).
    New {
        /// The object's `metadata.uid`.
        uid: String,
    },
    /// An object of that name is there already, and is as it was.
    AlreadyThere,
}

/// A connection to one cluster.
pub struct Cluster {
    target: ClusterTarget,
    client: kube::Client,
    runtime: Option<tokio::runtime::Runtime>,
    timeout: Option<Duration>,
}

impl Cluster {
    /// Prepares the connection: runs the credential plugin if the kubeconfig
    /// asks for one. The first request opens it.
    ///
    /// `timeout` bounds each request as a whole; `None` waits forever.
    ///
    /// # Errors
    /// When the plugin fails, or the kubeconfig's certificates do not load.
    pub fn connect(
        mut target: ClusterTarget,
        timeout: Option<Duration>,
    ) -> Result<Self, ClusterError> {
        exec_plugin::resolve(&mut target)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::Runtime)?;
        let client = {
            let _inside = runtime.enter();
            client::build(&target, timeout)?
        };
        Ok(Self {
            target,
            client,
            runtime: Some(runtime),
            timeout,
        })
    }

    /// The context and server that this connection goes to.
    pub fn target(&self) -> &ClusterTarget {
        &self.target
    }

    /// A Secret, or `None` if there is none of that name (or no such namespace:
    /// see [`Self::namespace_exists`]).
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn secret(&self, name: &SecretName) -> Result<Option<StoredSecret>, ClusterError> {
        let api = self.secrets(name);
        let found = self.ask(
            "get",
            "secrets",
            Some(&name.namespace),
            api.get_opt(&name.name),
        )?;
        Ok(found.map(StoredSecret::new))
    }

    /// Puts a Secret that was read and changed into the place of the one that it
    /// was read from, and of no other: whoever changed that one meanwhile wins.
    /// Returns it as it was stored.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`], and see [`ClusterError`].
    pub fn update_secret(
        &self,
        name: &SecretName,
        secret: &StoredSecret,
        mode: Mode,
    ) -> Result<StoredSecret, ClusterError> {
        let api = self.secrets(name);
        let params = post_params(mode);
        let request = api.replace(&name.name, &params, secret.object());
        let stored = self.ask("update", "secrets", Some(&name.namespace), request)?;
        Ok(StoredSecret::new(stored))
    }

    /// Flux's Kustomizations in all namespaces, or `None` where the cluster does
    /// not know such objects.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn kustomizations(&self) -> Result<Option<Vec<Kustomization>>, ClusterError> {
        let params = ListParams::default();
        for version in kustomization::VERSIONS {
            let api = Kustomization::api(&self.client, version);
            match self.ask("list", kustomization::RESOURCE, None, api.list(&params)) {
                Ok(found) => return Ok(Some(found.items.iter().map(Kustomization::new).collect())),
                Err(ClusterError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The kustomize-controllers: of all namespaces, or where kb may not list those, of this
    /// one. `None` where it may not list either.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn controllers(&self, namespace: &str) -> Result<Option<Vec<Controller>>, ClusterError> {
        let params = ListParams::default().labels(controller::SELECTOR);
        for place in [None, Some(namespace)] {
            let api: Api<Deployment> = match place {
                None => Api::all(self.client.clone()),
                Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            };
            match self.ask("list", controller::RESOURCE, place, api.list(&params)) {
                Ok(found) => {
                    let found = found.items.iter().filter_map(Controller::new);
                    return Ok(Some(found.collect()));
                }
                Err(ClusterError::Forbidden { .. } | ClusterError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The URL of a Git source of Flux; `None` if it is of another kind, not there, or kb
    /// may not look.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn git_url(&self, source: &SourceRef) -> Result<Option<String>, ClusterError> {
        if source.kind != kustomization::GIT_SOURCE {
            return Ok(None);
        }
        for version in kustomization::VERSIONS {
            let api = Kustomization::sources(&self.client, version, &source.namespace);
            let resource = kustomization::SOURCE_RESOURCE;
            let namespace = Some(source.namespace.as_str());
            match self.ask("get", resource, namespace, api.get(&source.name)) {
                Ok(found) => return Ok(kustomization::url(&found)),
                Err(ClusterError::NotFound { .. } | ClusterError::Forbidden { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The Secrets of one name in all namespaces, or `None` where kb may not list them.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn secrets_called(
        &self,
        name: &str,
    ) -> Result<Option<Vec<(SecretName, StoredSecret)>>, ClusterError> {
        let api: Api<Secret> = Api::all(self.client.clone());
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = match self.ask("list", "secrets", None, api.list(&params)) {
            Ok(found) => found,
            Err(ClusterError::Forbidden { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let named = found.items.into_iter().map(|secret| {
            let place = SecretName {
                namespace: secret.metadata.namespace.clone().unwrap_or_default(),
                name: name.to_owned(),
            };
            (place, StoredSecret::new(secret))
        });
        Ok(Some(named.collect()))
    }

    /// Creates a Secret with one data entry; never changes one that is there.
    /// The server decides, so of several at once one wins.
    ///
    /// # Errors
    /// [`ClusterError::NamespaceMissing`], and see [`ClusterError`].
    pub fn create_secret(
        &self,
        name: &SecretName,
        labels: &[(&str, &str)],
        entry: &str,
        value: &SecretString,
        mode: Mode,
    ) -> Result<Created, ClusterError> {
        let labels = labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let value = ByteString(value.expose_secret().as_bytes().to_vec());
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.name.clone()),
                namespace: Some(name.namespace.clone()),
                labels: Some(labels.collect()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(entry.to_owned(), value)])),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let api = self.secrets(name);
        let params = post_params(mode);
        let request = api.create(&params, &secret);
        created(self.ask("create", "secrets", Some(&name.namespace), request))
    }

    /// Deletes the Secret if it is still the one with this uid. One that is
    /// gone already is no error.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn delete_secret(&self, name: &SecretName, uid: &str) -> Result<(), ClusterError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let api = self.secrets(name);
        let request = api.delete(&name.name, &params);
        match self.ask("delete", "secrets", Some(&name.namespace), request) {
            Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the namespace is there. The API server answers "not found" for a
    /// Secret of a missing namespace too, so this is asked afterwards.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn namespace_exists(&self, namespace: &str) -> Result<bool, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let found = self.ask("get", "namespaces", None, api.get_metadata_opt(namespace))?;
        Ok(found.is_some())
    }

    /// Creates the namespace.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn create_namespace(&self, namespace: &str, mode: Mode) -> Result<Created, ClusterError> {
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client.clone());
        let params = post_params(mode);
        created(self.ask("create", "namespaces", None, api.create(&params, &object)))
    }

    fn secrets(&self, name: &SecretName) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &name.namespace)
    }

    /// Waits for one request, at most as long as the time limit allows.
    fn ask<T>(
        &self,
        verb: &'static str,
        resource: &'static str,
        namespace: Option<&str>,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ClusterError> {
        // Present from `connect` to `drop`.
        let Some(runtime) = &self.runtime else {
            return Err(ClusterError::Runtime(std::io::ErrorKind::Other.into()));
        };
        let asked = ApiRequest {
            verb,
            resource,
            namespace: namespace.map(ToOwned::to_owned),
        };
        let answer = runtime.block_on(async {
            match self.timeout {
                None => Ok(request.await),
                Some(limit) => tokio::time::timeout(limit, request).await,
            }
        });
        match answer {
            Ok(result) => {
                result.map_err(|error| ClusterError::from_kube(error, &self.target, asked))
            }
            Err(_) => Err(ClusterError::Timeout {
                server: self.target.server(),
                limit: self.timeout.unwrap_or_default(),
            }),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A login through `auth-provider` looks up names on the runtime's threads: one that
        // hangs must not hold up the end of kb after the time limit.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn post_params(mode: Mode) -> PostParams {
    PostParams {
        dry_run: mode == Mode::DryRun,
        field_manager: Some("kb".to_owned()),
    }
}

fn created<T: kube::ResourceExt>(answer: Result<T, ClusterError>) -> Result<Created, ClusterError> {
    match answer {
        Ok(object) => Ok(Created::New {
            uid: object.uid().unwrap_or_default(),
        }),
        Err(ClusterError::AlreadyExists { .. }) => Ok(Created::AlreadyThere),
        Err(error) => Err(error),
    }
}
