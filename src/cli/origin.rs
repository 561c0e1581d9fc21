//! Where the values that a plan is about came from: an option, the environment, a
//! default, the kubeconfig. All words for it are here.

use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::environment::KUBECONFIG;
use crate::core::cluster::{Cluster, ContextChoice};
use crate::core::repository::ConfigLocation;

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "from", content = "name", rename_all = "kebab-case")]
pub enum Origin {
    /// An option, with its dashes.
    Option(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// Nothing was named.
    Default,
    /// The kubeconfig's `current-context`.
    CurrentContext,
    /// The service account of the pod that kb runs in.
    Pod,
    /// The top directory of the repository.
    TopOfRepository,
    /// A directory between the working directory and the top of the repository.
    NearestDirectory,
}

impl Origin {
    /// As it is said in parentheses behind the value.
    fn words(self) -> String {
        match self {
            Self::Option(name) => format!("from {name}"),
            Self::Environment(name) => format!("from ${name}"),
            Self::Default => "default".to_owned(),
            Self::CurrentContext => "current-context".to_owned(),
            Self::Pod => "service account of this pod".to_owned(),
            Self::TopOfRepository => "at the top of the repository".to_owned(),
            Self::NearestDirectory => "nearest one; not at the top of the repository".to_owned(),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    #[serde(flatten)]
    pub origin: Origin,
}

impl<T> Sourced<T> {
    /// A value that an option, or else the environment, names.
    pub fn named(
        option: (&'static str, Option<T>),
        variable: (&'static str, Option<T>),
    ) -> Option<Self> {
        let from_option = option.1.map(|value| Self {
            value,
            origin: Origin::Option(option.0),
        });
        let from_variable = || {
            variable.1.map(|value| Self {
                value,
                origin: Origin::Environment(variable.0),
            })
        };
        from_option.or_else(from_variable)
    }

    /// The value of an option, or else the default.
    pub fn or_default(option: (&'static str, Option<T>), default: T) -> Self {
        Self::named(option, ("", None)).unwrap_or(Self {
            value: default,
            origin: Origin::Default,
        })
    }
}

/// What a plan is about. Each plan shows it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sources {
    /// The context's name.
    context: Sourced<String>,
    /// Where the kubeconfig came from; `None` in a pod.
    kubeconfig: Option<Origin>,
    /// The Secret's namespace.
    namespace: Sourced<String>,
    /// The Secret's name.
    secret: Sourced<String>,
    /// The `.sops.yaml`, an absolute path.
    config: Sourced<PathBuf>,
}

impl Sources {
    /// Whether the context was named on the command line. A variable of the shell is no
    /// sign that anyone thought of it.
    pub fn has_typed_context(&self) -> bool {
        matches!(self.context.origin, Origin::Option(_))
    }

    /// The lines of a plan, each indented and without a line end behind the last.
    pub fn lines(&self) -> String {
        let kubeconfig = match self.kubeconfig {
            None => String::new(),
            Some(Origin::Default) => ", default kubeconfig".to_owned(),
            Some(origin) => format!(", kubeconfig {}", origin.words()),
        };
        format!(
            "  context     {} ({}{kubeconfig})\n  \
               namespace   {} ({})\n  \
               Secret      {} ({})\n  \
               config      {} ({})",
            self.context.value,
            self.context.origin.words(),
            self.namespace.value,
            self.namespace.origin.words(),
            self.secret.value,
            self.secret.origin.words(),
            self.config.value.display(),
            self.config.origin.words(),
        )
    }
}

impl Context {
    /// Where the cluster, its Secret and the config came from.
    pub fn sources(&self, cluster: &Cluster, location: &ConfigLocation) -> Sources {
        let target = cluster.target();
        let origin = match target.choice {
            ContextChoice::Named => Origin::Option("--context"),
            ContextChoice::Current => Origin::CurrentContext,
            ContextChoice::Pod => Origin::Pod,
        };
        let (namespace, secret) = self.common.sourced_secret();
        Sources {
            context: Sourced {
                value: target.context.clone(),
                origin,
            },
            kubeconfig: (origin != Origin::Pod).then(|| self.kubeconfig_origin()),
            namespace,
            secret,
            config: self.config_source(location),
        }
    }

    /// The `.sops.yaml`, and why it is this one.
    pub fn config_source(&self, location: &ConfigLocation) -> Sourced<PathBuf> {
        let is_at_the_top = location.path.parent() == location.roots.first().map(PathBuf::as_path);
        let origin = match self.sourced_config() {
            Some(named) => named.origin,
            None if is_at_the_top => Origin::TopOfRepository,
            None => Origin::NearestDirectory,
        };
        Sourced {
            value: location.path.clone(),
            origin,
        }
    }

    fn kubeconfig_origin(&self) -> Origin {
        if self.common.kubeconfig.is_some() {
            Origin::Option("--kubeconfig")
        } else if self.environment.names_kubeconfigs() {
            Origin::Environment(KUBECONFIG)
        } else {
            Origin::Default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_of_each_value_where_it_came_from() {
        let sources = Sources {
            context: Sourced {
                value: "prod".to_owned(),
                origin: Origin::CurrentContext,
            },
            kubeconfig: Some(Origin::Environment(KUBECONFIG)),
            namespace: Sourced::or_default(("--namespace", None), "flux-system".to_owned()),
            secret: Sourced::or_default(
                ("--secret-name", Some("keys".to_owned())),
                "sops-age".to_owned(),
            ),
            config: Sourced {
                value: "/repo/apps/.sops.yaml".into(),
                origin: Origin::NearestDirectory,
            },
        };
        insta::assert_snapshot!(sources.lines(), @"
        context     prod (current-context, kubeconfig from $KUBECONFIG)
        namespace   flux-system (default)
        Secret      keys (from --secret-name)
        config      /repo/apps/.sops.yaml (nearest one; not at the top of the repository)
        ");
        let json = serde_json::to_string(&sources).expect("JSON");
        insta::assert_snapshot!(json, @r#"{"context":{"value":"prod","from":"current-context"},"kubeconfig":{"from":"environment","name":"KUBECONFIG"},"namespace":{"value":"flux-system","from":"default"},"secret":{"value":"keys","from":"option","name":"--secret-name"},"config":{"value":"/repo/apps/.sops.yaml","from":"nearest-directory"}}"#);
    }

    #[test]
    fn an_option_counts_before_the_environment() {
        let both = Sourced::named(("--config", Some(1)), ("SOPS_CONFIG", Some(2)));
        assert_eq!(
            both.map(|both| both.origin),
            Some(Origin::Option("--config"))
        );
        let variable = Sourced::named(("--config", None), ("SOPS_CONFIG", Some(2)));
        let variable = variable.map(|variable| (variable.value, variable.origin));
        assert_eq!(variable, Some((2, Origin::Environment("SOPS_CONFIG"))));
    }
}
