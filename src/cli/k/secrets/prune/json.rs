//! The verdicts for machines. The shape is in `docs/schemas`.

use serde::Serialize;

use super::say;
use crate::cli::message::safe_text::without_private_keys;
use crate::cli::origin::Sources;
use crate::core::cluster::{Cluster, SecretName};
use crate::core::prune::{Need, PruneRequest, PruneVerdicts as Plan, RetiredKey};

/// Goes up when a field is taken away or changes its meaning.
const VERSION: u32 = 1;

/// What is printed. Paths of the working tree are absolute, those in commits from the top.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Verdicts<'a> {
    version: u32,
    context: String,
    server: String,
    /// `namespace/name`.
    secret: String,
    sources: &'a Sources,
    keys: Vec<KeyAsJson>,
    /// Other branches, tags and stashes that need a retired key.
    other_refs: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KeyAsJson {
    /// `null` if kb cannot compute it.
    recipient: Option<String>,
    /// Whether something needs it that is not overridden.
    needed: bool,
    /// Whether it was dropped.
    dropped: bool,
    needs: Vec<NeedAsJson>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NeedAsJson {
    check: &'static str,
    overridden: bool,
    message: String,
    files: Vec<String>,
}

pub(super) fn nothing<'a>(
    cluster: &Cluster,
    secret: &SecretName,
    sources: &'a Sources,
) -> Verdicts<'a> {
    let target = cluster.target();
    Verdicts {
        version: VERSION,
        context: target.context.clone(),
        server: target.server(),
        secret: secret.to_string(),
        sources,
        keys: Vec::new(),
        other_refs: Vec::new(),
    }
}

pub(super) fn verdicts<'a>(
    cluster: &Cluster,
    request: &PruneRequest,
    sources: &'a Sources,
    plan: &Plan,
    is_dropped: bool,
) -> Verdicts<'a> {
    let key = |key: &RetiredKey| KeyAsJson {
        recipient: key.recipient.as_ref().map(ToString::to_string),
        needed: key.is_needed(),
        dropped: is_dropped && !key.is_needed(),
        needs: key.needs.iter().map(need).collect(),
    };
    Verdicts {
        keys: plan.keys.iter().map(key).collect(),
        other_refs: plan.remarks.refs.clone(),
        ..nothing(cluster, &request.secret, sources)
    }
}

fn need(need: &Need) -> NeedAsJson {
    let files = say::files_of(need).iter();
    NeedAsJson {
        check: need.check.name(),
        overridden: need.is_overridden,
        message: without_private_keys(&say::message(need)),
        files: files.map(|path| path.display().to_string()).collect(),
    }
}

#[cfg(test)]
mod docs {
    #[test]
    fn the_schema_is_up_to_date() {
        crate::cli::schemas::assert_up_to_date::<super::Verdicts<'_>>("prune");
    }
}
