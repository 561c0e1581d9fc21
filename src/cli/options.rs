//! The options that every command takes, named and behaving as in kubectl and
//! flux. They are accepted before and after the subcommand.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ColorChoice, ValueEnum};

use super::message::command::quoted;
use super::origin::Sourced;
use crate::core::cluster::SecretName;

/// Where Flux's own documentation puts the Secret.
const DEFAULT_NAMESPACE: &str = "flux-system";
const DEFAULT_SECRET_NAME: &str = "sops-age";

/// Options of every command.
#[derive(Args, Debug, Clone)]
pub struct CommonOptions {
    /// Kubeconfig context to use, instead of the current one
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub context: Option<String>,

    /// Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        help_heading = "Cluster"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Namespace of the Secret that holds the cluster's key [default: flux-system]
    #[arg(
        short,
        long,
        global = true, hide_short_help = true,
        value_name = "NAMESPACE",
        value_parser = parse_name,
        help_heading = "Cluster"
    )]
    pub namespace: Option<String>,

    /// Name of the Secret that holds the cluster's key [default: sops-age]
    #[arg(
        long,
        global = true, hide_short_help = true,
        value_name = "NAME",
        value_parser = parse_name,
        help_heading = "Cluster"
    )]
    pub secret_name: Option<String>,

    /// Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
    #[arg(
        long,
        global = true, hide_short_help = true,
        value_name = "TIME",
        default_value = "10s",
        value_parser = parse_timeout,
        help_heading = "Cluster"
    )]
    pub request_timeout: Timeout,

    /// The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        help_heading = "Repository"
    )]
    pub config: Option<PathBuf>,

    /// Use this key server that a rule of .sops.yaml names, without asking; may be repeated
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        help_heading = "Repository"
    )]
    pub allow_server: Vec<String>,

    /// Say only what went wrong
    #[arg(
        short,
        long,
        global = true,
        hide_short_help = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub quiet: bool,

    /// Say more about what is done
    #[arg(
        short,
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Output"
    )]
    pub verbose: bool,

    /// When to use colour on stderr
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output",
        long_help = "When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never"
    )]
    pub color: ColorChoice,
}

impl CommonOptions {
    /// The Secret that holds the cluster's key.
    pub fn secret(&self) -> SecretName {
        let (namespace, name) = self.sourced_secret();
        SecretName {
            namespace: namespace.value,
            name: name.value,
        }
    }

    /// Its namespace and its name, and where they came from.
    pub fn sourced_secret(&self) -> (Sourced<String>, Sourced<String>) {
        let (namespace, name) = (self.namespace.clone(), self.secret_name.clone());
        (
            Sourced::or_default(("--namespace", namespace), DEFAULT_NAMESPACE.to_owned()),
            Sourced::or_default(("--secret-name", name), DEFAULT_SECRET_NAME.to_owned()),
        )
    }

    /// The options with which kubectl goes where this command line goes, each
    /// after a space; empty where none was given.
    pub fn same_context(&self) -> String {
        let mut options = String::new();
        if let Some(path) = &self.kubeconfig {
            options.push_str(&format!(
                " --kubeconfig {}",
                quoted(&path.to_string_lossy())
            ));
        }
        if let Some(context) = &self.context {
            options.push_str(&format!(" --context={}", quoted(context)));
        }
        options
    }

    /// The same for kb, which takes the Secret's name and namespace as well, and
    /// the config.
    pub fn same_cluster(&self) -> String {
        let mut options = self.same_context();
        let secret = self.secret();
        if secret.namespace != DEFAULT_NAMESPACE {
            options.push_str(&format!(" -n {}", quoted(&secret.namespace)));
        }
        if secret.name != DEFAULT_SECRET_NAME {
            options.push_str(&format!(" --secret-name {}", quoted(&secret.name)));
        }
        if let Some(path) = &self.config {
            options.push_str(&format!(" --config {}", quoted(&path.to_string_lossy())));
        }
        for server in &self.allow_server {
            options.push_str(&format!(" --allow-server {}", quoted(server)));
        }
        options
    }
}

/// How an answer is printed for machines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// JSON.
    Json,
}

/// A time limit; `None` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

/// A Kubernetes name: a DNS subdomain (RFC 1123) of at most 253 characters.
fn parse_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|c| plain(c) || c == '-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err("a name has lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit".to_owned())
}

/// As kubectl reads it: a number with a unit, or a bare number of seconds.
fn parse_timeout(text: &str) -> Result<Timeout, String> {
    let expected =
        || "expected a time such as 5s, 1m30s or 500ms, or a number of seconds".to_owned();
    let limit = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => {
            let signed: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
            Duration::try_from(signed).map_err(|_| expected())?
        }
    };
    Ok(Timeout((!limit.is_zero()).then_some(limit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for good in ["flux-system", "a", "a.b-c.9"] {
            assert_eq!(parse_name(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            ".",
            "..",
            "a b",
            "A",
            "-a",
            "a-",
            "a..b",
            "a/b",
            &"a".repeat(254),
        ] {
            assert!(parse_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn time_limits_are_read_as_kubectl_reads_them() {
        let limit = |text| parse_timeout(text).map(|limit| limit.0);
        assert_eq!(limit("0"), Ok(None));
        assert_eq!(limit("0s"), Ok(None));
        assert_eq!(limit("7"), Ok(Some(Duration::from_secs(7))));
        assert_eq!(limit("1m30s"), Ok(Some(Duration::from_secs(90))));
        assert_eq!(limit("500ms"), Ok(Some(Duration::from_millis(500))));
        assert!(limit("-1s").is_err());
        assert!(limit("soon").is_err());
    }
}
