//! Hints for what goes wrong between kb and the API server.

use super::{Failure, SAME_CONTEXT};
use crate::core::cluster::{ClusterError, KubeconfigError, PluginError};

impl From<KubeconfigError> for Failure {
    fn from(error: KubeconfigError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KubeconfigError::None { .. } => failure
                .hint("--kubeconfig FILE, or KUBECONFIG=FILE, names the kubeconfig of the cluster"),
            KubeconfigError::Read { .. } => failure.hint("--kubeconfig names another file"),
            KubeconfigError::Parse { .. } | KubeconfigError::Merge { .. } => failure.hint(format!(
                "kubectl{SAME_CONTEXT} config view shows what kubectl makes of it"
            )),
            KubeconfigError::NoCurrentContext { contexts } => {
                failure.hint(one_of("--context NAME chooses one of", &contexts))
            }
            KubeconfigError::UnknownContext { contexts, .. } => {
                failure.hint(one_of("the contexts there are:", &contexts))
            }
            KubeconfigError::NoServer { .. }
            | KubeconfigError::NoUser { .. }
            | KubeconfigError::Token { .. }
            | KubeconfigError::CertificateAuthority { .. } => failure.hint(format!(
                "kubectl{SAME_CONTEXT} config view shows what stands there"
            )),
            KubeconfigError::Url { .. } => failure.hint(format!(
                "kubectl{SAME_CONTEXT} config view shows what stands there"
            )),
            KubeconfigError::InCluster { .. } => failure
                .hint("the pod needs a service account token: automountServiceAccountToken: true"),
        }
    }
}

fn one_of(text: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "the kubeconfig has no contexts: --kubeconfig names another file".to_owned();
    }
    format!("{text} {}", names.join(", "))
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            ClusterError::Runtime(_) => failure.hint("the system is short of memory or files"),
            ClusterError::Credentials { .. } => {
                failure.hint(format!("kubectl{SAME_CONTEXT} config view shows what stands in the kubeconfig"))
            }
            ClusterError::Login { .. } => failure.hint(format!(
                "log in again with the tool that wrote the kubeconfig, then try: kubectl{SAME_CONTEXT} get namespaces"
            )),
            ClusterError::Plugin(plugin) => plugin_hint(failure, &plugin.command, &plugin.source),
            ClusterError::Unreachable { .. } => failure.hint(
                "is the cluster up, and the VPN on? --context chooses another cluster",
            ),
            ClusterError::Timeout { .. } => failure.hint(
                "is the VPN on? --request-timeout waits longer, --context chooses another cluster",
            ),
            ClusterError::Untrusted { .. } => failure.hint(
                "the kubeconfig's certificate-authority must have issued it, for the host in its server",
            ),
            ClusterError::Unauthorized { .. } => {
                failure.hint(format!("log in again, then try: kubectl{SAME_CONTEXT} auth whoami"))
            }
            ClusterError::Forbidden { denied, .. } => {
                let place = denied.namespace.map(|name| format!(" in the namespace {name}"));
                failure.hint(format!(
                    "ask for a Role with the verb {} on {}{}",
                    denied.verb,
                    denied.resource,
                    place.unwrap_or_default()
                ))
            }
            ClusterError::NamespaceMissing { .. } => {
                failure.hint("-n names another namespace, --context another cluster")
            }
            ClusterError::NotFound { .. } | ClusterError::AlreadyExists { .. } => {
                failure.hint("someone else changed it meanwhile: try again")
            }
            ClusterError::Refused { .. } => {
                failure.hint("the cluster's own rules refuse it: its administrator knows which")
            }
            ClusterError::Answer { .. } => {
                failure.hint("does the kubeconfig's server name a Kubernetes API server?")
            }
        }
    }
}

fn plugin_hint(failure: Failure, command: &str, source: &PluginError) -> Failure {
    match source {
        PluginError::NotInstalled {
            install_hint: Some(hint),
        } => failure.hint(hint.trim()),
        PluginError::NotInstalled { install_hint: None } => {
            failure.hint(format!("install {command}, or put it on the PATH"))
        }
        PluginError::Start(_) => failure.hint(format!("is {command} executable?")),
        PluginError::Failed(_) | PluginError::Answer => {
            failure.hint("log in again with the tool that wrote the kubeconfig")
        }
        PluginError::NoTerminal => failure.hint("run kb on a terminal"),
    }
}
