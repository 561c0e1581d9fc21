//! Hints for what goes wrong between kb and the API server.

use super::Failure;
use crate::cli::message::command::{kubectl, quoted};
use crate::core::cluster::{
    ApiRequest, ClusterError, KubeconfigError, PluginError, PluginFailure, ProxyError,
};
use crate::core::excerpt::excerpt;

const LOG_IN_AGAIN: &str = "log in again with the tool that wrote the kubeconfig";

impl From<KubeconfigError> for Failure {
    fn from(error: KubeconfigError) -> Self {
        let failure = Self::from_error(&error);
        match error {
            KubeconfigError::None { .. } => failure
                .hint("--kubeconfig FILE, or KUBECONFIG=FILE, names the kubeconfig of the cluster"),
            KubeconfigError::Read { .. } => failure.hint("--kubeconfig names another file"),
            KubeconfigError::NoCurrentContext { contexts } => {
                failure.hint(one_of("--context NAME chooses one of", &contexts))
            }
            KubeconfigError::UnknownContext { contexts, .. } => {
                failure.hint(one_of("the contexts there are:", &contexts))
            }
            KubeconfigError::InsecureWithAuthority { cluster, .. } => failure.hint_command(
                "to have it verified by that authority:",
                kubectl(format!(
                    "config set-cluster {} --insecure-skip-tls-verify=false",
                    quoted(&cluster)
                )),
            ),
            KubeconfigError::Parse { .. } | KubeconfigError::Entry { .. } => failure.view_config(),
            KubeconfigError::Proxy(ProxyError::Url { variable }) => {
                failure.hint(format!("{variable}=http://HOST:PORT, or unset {variable}"))
            }
            KubeconfigError::Proxy(ProxyError::Cgi) => {
                failure.hint("proxy-url in the kubeconfig names a proxy")
            }
            KubeconfigError::InCluster { .. } => failure
                .hint("the pod needs a service account token: automountServiceAccountToken: true"),
        }
    }
}

impl Failure {
    fn view_config(self) -> Self {
        let purpose = "to see the kubeconfig, such as its server:";
        self.hint_command(purpose, kubectl("config view"))
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
            ClusterError::Runtime(_) => failure.hint("ulimit -a shows what kb may use"),
            ClusterError::Credentials { .. } => failure.view_config(),
            ClusterError::Login { .. } => failure
                .hint(LOG_IN_AGAIN)
                .hint_command("then try:", kubectl("get namespaces")),
            ClusterError::Plugin(plugin) => plugin_hint(failure, &plugin),
            ClusterError::Unreachable { .. } => {
                failure.hint("is the cluster up, and the VPN on? --context chooses another cluster")
            }
            ClusterError::Timeout { .. } => failure.hint(
                "is the VPN on? --request-timeout waits longer, --context chooses another cluster",
            ),
            ClusterError::Untrusted { .. } => failure
                .hint("certificate-authority must name who issued it, and server a host it is for")
                .view_config(),
            ClusterError::Unauthorized { .. } => failure
                .hint(LOG_IN_AGAIN)
                .hint_command("then try:", kubectl("auth whoami")),
            ClusterError::Forbidden { request, .. } => failure.hint(missing_right(&request)),
            ClusterError::NamespaceMissing { .. } => {
                failure.hint("-n names another namespace, --context another cluster")
            }
            ClusterError::NotFound { message } if message.contains("page not found") => {
                failure.view_config()
            }
            ClusterError::NotFound { .. }
            | ClusterError::AlreadyExists { .. }
            | ClusterError::Conflict { .. } => {
                failure.hint("run it again: someone else changed it meanwhile")
            }
            ClusterError::Refused { code, .. } if code >= 500 || code == 429 => {
                failure.hint("run it again: the server, or a proxy before it, is in trouble")
            }
            ClusterError::Refused { code: 400, .. } => failure.view_config(),
            ClusterError::Refused { .. } => {
                failure.hint("the cluster's own rules refuse it: its administrator knows which")
            }
            ClusterError::TooLarge { .. } | ClusterError::Answer { .. } => failure.view_config(),
        }
    }
}

fn missing_right(request: &ApiRequest) -> String {
    let (verb, resource) = (request.verb, request.resource);
    match &request.namespace {
        Some(namespace) => {
            format!(
                "ask for a Role with the verb {verb} on {resource} in the namespace {namespace}"
            )
        }
        None => format!("ask for a ClusterRole with the verb {verb} on {resource}"),
    }
}

fn plugin_hint(failure: Failure, plugin: &PluginFailure) -> Failure {
    let command = &plugin.command;
    match &plugin.source {
        PluginError::NotInstalled { install_hint } if install_hint.is_empty() => {
            failure.hint(format!("install {command}, or put it on the PATH"))
        }
        PluginError::NotInstalled { install_hint } => failure.hint(excerpt(install_hint)),
        PluginError::Start(_) => {
            failure.hint(format!("ls -l shows whether {command} is executable"))
        }
        PluginError::TimedOut { .. } => {
            failure.hint(format!("run {command} yourself to see what it waits for"))
        }
        PluginError::Read(_) | PluginError::Failed(_) | PluginError::Answer => {
            failure.hint(LOG_IN_AGAIN)
        }
        PluginError::NoTerminal => failure.hint("run kb on a terminal"),
    }
}
