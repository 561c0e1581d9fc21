//! The plan for machines.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use crate::cli::origin::Sources;
use crate::core::cluster::Cluster;
use crate::core::reencrypt::EngineKind;
use crate::core::rotate::{Prepared, Step};

/// Goes up when a field is taken away or changes its meaning.
const VERSION: u32 = 1;

/// What is printed. Paths are absolute.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlanAsJson<'a> {
    version: u32,
    context: &'a str,
    server: String,
    /// Where context, namespace, Secret and config came from.
    sources: &'a Sources,
    /// Whether a rotation is under way, and this goes on with it.
    resumed: bool,
    /// The recipients that go.
    old: Vec<&'a str>,
    /// The one that comes; `null` if it is made when the rotation is begun.
    new: Option<&'a str>,
    /// What is done, in this order.
    steps: Vec<StepAsJson>,
    /// Files that stay for the old key, and why.
    left: Vec<LeftAsJson>,
    /// Directories with their own `.git` that hold files for an old recipient.
    foreign: Vec<String>,
    /// What could not be read.
    unread: Vec<String>,
    /// Copies of the Secret that stay as they are, as `namespace/name`.
    copies_left: Vec<String>,
}

/// A file that stays as it is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LeftAsJson {
    path: String,
    reason: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "step", rename_all = "kebab-case")]
enum StepAsJson {
    AddKey {
        secret: String,
    },
    Reencrypt {
        path: String,
        /// Who opens it now.
        recipients: Vec<String>,
        /// Whether a key that is not age's opens it too.
        other_keys: bool,
        /// Who opens it then.
        readers: Vec<String>,
        /// Those of them who cannot any more.
        leaving: Vec<String>,
        /// Those who could not before.
        joining: Vec<String>,
        /// Those of the readers that only the working tree's rule names.
        unreviewed: Vec<String>,
        /// Its rule, where that does not name the cluster's key.
        other_rule: Option<String>,
        /// What re-encrypts it; `null` if that is not needed any more.
        engine: Option<&'static str>,
        /// Why that is sops, where kb has left it to sops.
        reason: Option<String>,
    },
    EditConfig {
        path: String,
    },
    ShowKey,
    Promote {
        secret: String,
    },
}

/// The plan, to be printed.
pub(super) fn plan<'a>(
    cluster: &'a Cluster,
    sources: &'a Sources,
    prepared: &'a Prepared,
) -> impl Serialize + 'a {
    let plan = prepared.plan();
    let made_by: HashMap<&Path, EngineKind> = prepared.made_by().collect();
    let step = |step| StepAsJson::new(step, &made_by);
    let target = cluster.target();
    let is_known = plan.is_resumed() || plan.is_imported();
    let remarks = &plan.remarks;
    PlanAsJson {
        version: VERSION,
        context: &target.context,
        server: target.server(),
        sources,
        resumed: plan.is_resumed(),
        old: plan.old().iter().map(|key| key.as_str()).collect(),
        new: is_known.then(|| plan.new_recipient().as_str()),
        steps: plan.steps().into_iter().map(step).collect(),
        left: plan
            .left
            .iter()
            .chain(prepared.left())
            .map(|left| LeftAsJson {
                path: left.path.display().to_string(),
                reason: left.why.to_string(),
            })
            .collect(),
        foreign: remarks
            .foreign
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        unread: plan
            .targets
            .unread
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        copies_left: remarks
            .copies_left
            .iter()
            .map(|copy| copy.secret.to_string())
            .collect(),
    }
}

impl StepAsJson {
    fn new(step: Step, made_by: &HashMap<&Path, EngineKind>) -> Self {
        match step {
            Step::AddKey(secret) => Self::AddKey {
                secret: secret.to_string(),
            },
            Step::Reencrypt(file) => {
                let (engine, reason) = match made_by.get(&*file.path) {
                    Some(EngineKind::Kb) => (Some("native"), None),
                    Some(EngineKind::Sops(reason)) => (Some("sops"), *reason),
                    // Someone else has moved it meanwhile.
                    None => (None, None),
                };
                Self::Reencrypt {
                    path: file.path.display().to_string(),
                    recipients: texts(file.decision.before.recipients()),
                    other_keys: file
                        .decision
                        .before
                        .all()
                        .any(|reader| reader.recipient().is_none()),
                    readers: texts(file.decision.after.all()),
                    leaving: texts(&file.decision.leaving),
                    joining: texts(&file.decision.joining),
                    unreviewed: texts(&file.decision.unreviewed),
                    other_rule: file.decision.other_rule,
                    engine,
                    reason: reason.map(|reason| reason.to_string()),
                }
            }
            Step::EditConfig(path) => Self::EditConfig {
                path: path.display().to_string(),
            },
            Step::ShowKey => Self::ShowKey,
            Step::Promote(secret) => Self::Promote {
                secret: secret.to_string(),
            },
        }
    }
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

#[cfg(test)]
mod docs {
    #[test]
    fn the_schema_is_up_to_date() {
        crate::cli::schemas::assert_up_to_date::<super::PlanAsJson<'_>>("rotation-plan");
    }
}
