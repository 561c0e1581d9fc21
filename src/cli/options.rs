//! The options that every command takes, named and behaving as in kubectl and
//! flux. They are accepted before and after the subcommand.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::core::flux_secret::SecretName;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
pub struct CommonOptions {
    /// Kubeconfig context to use, instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,

    /// Kubeconfig file to use, instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespace of the Secret that holds the cluster's key
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAMESPACE",
        default_value = "flux-system",
        help_heading = "Cluster"
    )]
    pub namespace: String,

    /// Name of the Secret that holds the cluster's key
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "sops-age",
        help_heading = "Cluster"
    )]
    pub secret_name: String,

    /// Longest time to wait for one answer of the API server, such as 5s or 1m; 0 waits forever
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "10s",
        value_parser = parse_timeout,
        help_heading = "Cluster"
    )]
    pub request_timeout: Timeout,

    /// The .sops.yaml to use, instead of $SOPS_CONFIG or the nearest one upward
    #[arg(long, global = true, value_name = "FILE", help_heading = "Repository")]
    pub config: Option<PathBuf>,

    /// Say only what went wrong
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub quiet: bool,

    /// Say more about what is done
    #[arg(short, long, global = true, help_heading = "Output")]
    pub verbose: bool,

    /// When to use colour on stderr
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Output",
        long_help = "When to use colour on stderr: auto (on a terminal, unless NO_COLOR is set), always, never"
    )]
    pub color: ColorWhen,
}

impl CommonOptions {
    /// The Secret that holds the cluster's key.
    pub fn secret(&self) -> SecretName {
        SecretName {
            namespace: self.namespace.clone(),
            name: self.secret_name.clone(),
        }
    }
}

/// A time limit; `None` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

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
