//! Kubeconfig files in all the forms that occur in the wild.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::cluster::Cluster;

/// Builds a kubeconfig: one context `test` whose cluster is given with its
/// certificate authority inline, and whose user is admin, by token. The
/// methods vary it.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    context: String,
    cluster: Map<String, Value>,
    user: Value,
    namespace: Option<String>,
    current: Current,
}

#[derive(Clone, Debug)]
enum Current {
    /// The context that the file has.
    TheContext,
    Named(String),
    None,
}

impl Kubeconfig {
    /// See [`Cluster::kubeconfig`].
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        let mut fields = Map::new();
        fields.insert("server".to_owned(), cluster.server().into());
        fields.insert(
            "certificate-authority-data".to_owned(),
            STANDARD.encode(cluster.ca_pem()).into(),
        );
        Self {
            context: "test".to_owned(),
            cluster: fields,
            user: json!({"token": cluster.admin_token()}),
            namespace: None,
            current: Current::TheContext,
        }
    }

    /// Names the context, and with it the cluster and the user.
    #[must_use]
    pub fn context_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.context);
        self
    }

    /// Sets a field of the cluster, such as `server`, `tls-server-name` or
    /// `proxy-url`; `Value::Null` takes it out.
    #[must_use]
    pub fn cluster_field(mut self, key: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => self.cluster.remove(key),
            value => self.cluster.insert(key.to_owned(), value),
        };
        self
    }

    /// Takes the inline certificate authority out.
    #[must_use]
    pub fn without_ca(self) -> Self {
        self.cluster_field("certificate-authority-data", Value::Null)
    }

    /// Replaces the user.
    #[must_use]
    pub fn user(mut self, user: Value) -> Self {
        self.user = user;
        self
    }

    /// Sets the context's namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Sets `current-context`, to any name, or leaves it out.
    #[must_use]
    pub fn current_context(mut self, name: Option<&str>) -> Self {
        self.current = name.map_or(Current::None, |name| Current::Named(name.to_owned()));
        self
    }

    /// The file's text: JSON, which is YAML.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let name = &self.context;
        let mut context = json!({"cluster": name, "user": name});
        if let Some(namespace) = &self.namespace {
            context["namespace"] = namespace.as_str().into();
        }
        let mut config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": self.cluster}],
            "users": [{"name": name, "user": self.user}],
            "contexts": [{"name": name, "context": context}],
        });
        let current = match &self.current {
            Current::TheContext => Some(name),
            Current::Named(other) => Some(other),
            Current::None => None,
        };
        if let Some(current) = current {
            config["current-context"] = current.as_str().into();
        }
        format!("{config:#}\n")
    }
}
