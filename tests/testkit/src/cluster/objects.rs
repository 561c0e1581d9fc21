//! The objects that tests arrange and look at.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Cluster;

/// Who gets a right; see [`Cluster::grant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    /// A user of a token file or certificate, such as `nobody`.
    User,
    /// A service account of the same namespace.
    ServiceAccount,
}

/// Names made by [`Cluster::new_namespace`] in this process, for snapshots.
static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// See [`MADE`].
pub(crate) fn made_namespaces() -> Vec<String> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Cluster {
    /// Creates a namespace with a name that no other test has; the name,
    /// which begins with `prefix`.
    pub fn new_namespace(&self, prefix: &str) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number:04}");
        self.create_namespace(&name);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(name.clone());
        name
    }

    /// Creates a namespace of a given name, such as `flux-system`; it is
    /// fine if it exists.
    pub fn create_namespace(&self, name: &str) {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.ensure("/api/v1/namespaces", &body);
    }

    /// A token of a service account, which is created if it does not exist:
    /// a real JWT, signed by the server, good for an hour.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let body =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.ensure(&accounts, &body);
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        });
        let answer = self.post(&format!("{accounts}/{name}/token"), &request);
        let token = answer["status"]["token"].as_str();
        token.expect("a TokenRequest has a token").to_owned()
    }

    /// Lets someone do `verbs` with the Secrets of a namespace, and waits until
    /// the server's authorizer, which learns of a Role by a watch, knows. May be
    /// called again for the same one with other verbs, which then are added.
    pub fn grant(&self, namespace: &str, kind: UserKind, name: &str, verbs: &[&str]) {
        let role = format!("{name}-{}", verbs.join("-"));
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        self.ensure(
            &format!("{rbac}/roles"),
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": role},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}],
            }),
        );
        let subject = match kind {
            UserKind::User => {
                json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name})
            }
            UserKind::ServiceAccount => {
                json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
            }
        };
        self.ensure(
            &format!("{rbac}/rolebindings"),
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
                "subjects": [subject],
            }),
        );
        let user = match kind {
            UserKind::User => name.to_owned(),
            UserKind::ServiceAccount => format!("system:serviceaccount:{namespace}:{name}"),
        };
        for verb in verbs {
            self.wait_until_allowed(&user, namespace, verb);
        }
    }

    /// Lets a service account list Kustomizations of all namespaces, and waits until
    /// the server knows.
    pub fn allow_kustomizations(&self, namespace: &str, name: &str) {
        let role = format!("{namespace}-kustomizations");
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let group = "kustomize.toolkit.fluxcd.io";
        self.ensure(
            &format!("{rbac}/clusterroles"),
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": role},
                "rules": [{"apiGroups": [group], "resources": ["kustomizations"], "verbs": ["list"]}],
            }),
        );
        self.ensure(
            &format!("{rbac}/clusterrolebindings"),
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }),
        );
        let user = format!("system:serviceaccount:{namespace}:{name}");
        self.wait_until_reviewed(
            &user,
            &json!({"group": group, "resource": "kustomizations", "verb": "list"}),
        );
    }

    fn wait_until_allowed(&self, user: &str, namespace: &str, verb: &str) {
        let asked = json!({"namespace": namespace, "resource": "secrets", "verb": verb});
        self.wait_until_reviewed(user, &asked);
    }

    fn wait_until_reviewed(&self, user: &str, asked: &Value) {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": asked},
        });
        let reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        for _ in 0..200 {
            if self.post(reviews, &review)["status"]["allowed"] == true {
                return;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("{user} may still not: {asked}");
    }

    /// The data of a Secret, decoded; `None` if there is no such Secret.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let secret = self.get(&secret_path(namespace, name))?;
        let data = secret["data"].as_object().into_iter().flatten();
        Some(
            data.map(|(entry, value)| {
                let text = value.as_str().expect("a Secret's data are strings");
                let bytes = STANDARD.decode(text).expect("a Secret's data are base64");
                (entry.clone(), bytes)
            })
            .collect(),
        )
    }

    /// Creates a Secret, or gives an existing one these data and no others;
    /// its labels and annotations stay.
    pub fn put_secret(&self, namespace: &str, name: &str, data: &[(&str, &[u8])]) {
        let data: serde_json::Map<String, Value> = data
            .iter()
            .map(|(entry, bytes)| ((*entry).to_owned(), STANDARD.encode(bytes).into()))
            .collect();
        let path = secret_path(namespace, name);
        if let Some(mut secret) = self.get(&path) {
            secret["data"] = data.into();
            self.put(&path, &secret);
        } else {
            self.post(
                &format!("/api/v1/namespaces/{namespace}/secrets"),
                &json!({
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": name},
                    "data": data,
                }),
            );
        }
    }

    /// Creates an object unless one of that name exists.
    fn ensure(&self, path: &str, body: &Value) {
        let (status, answer) = self.request("POST", path, Some(body));
        assert!(
            matches!(status, 201 | 409),
            "POST {path}: {status} {answer}"
        );
    }
}

fn secret_path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}
