//! What was found, for machines. The shape is in `docs/schemas`.

use serde::Serialize;

use super::Report;
use crate::cli;
use crate::cli::k::secrets::finding::{Finding, FindingAsJson};
use crate::cli::message::safe_text::without_private_keys;
use crate::core::cluster::Controller;
use crate::core::identity::Recipient;
use crate::core::sops_config::SopsConfig;
use crate::core::status::Pending;

/// Goes up when a field is taken away or changes its meaning.
const VERSION: u32 = 1;

/// What is printed. Paths are absolute.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct StatusAsJson<'a> {
    version: u32,
    /// Whether all is in line.
    ok: bool,
    context: &'a str,
    server: String,
    /// `namespace/name`.
    secret: &'a str,
    keys: KeysAsJson<'a>,
    /// The `.sops.yaml` files that apply.
    configs: Vec<String>,
    files: FilesAsJson,
    /// How many Kustomizations there are; `null` if the cluster knows no such objects,
    /// or kb may not list them.
    kustomizations: Option<usize>,
    /// The kustomize-controllers; `null` if kb may not list Deployments.
    controllers: Option<Vec<ControllerAsJson<'a>>>,
    /// Commits that Kustomizations have not applied yet.
    pending: Vec<PendingAsJson<'a>>,
    problems: ProblemsAsJson,
    remarks: Vec<String>,
    /// What could not be looked at.
    unseen: Vec<FindingAsJson>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KeysAsJson<'a> {
    current: &'a [Recipient],
    next: &'a [Recipient],
    retired: &'a [Recipient],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct FilesAsJson {
    looked_at: usize,
    encrypted: usize,
    for_this_cluster: usize,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ControllerAsJson<'a> {
    /// Of its Deployment.
    namespace: &'a str,
    name: &'a str,
    version: Option<&'a str>,
    /// The Secret for Kustomizations that name none, as `namespace/name`.
    fallback: Option<String>,
}

impl<'a> ControllerAsJson<'a> {
    fn new(found: &'a Controller) -> Self {
        Self {
            namespace: &found.namespace,
            name: &found.name,
            version: found.version.as_deref(),
            fallback: found.fallback.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PendingAsJson<'a> {
    branch: &'a str,
    /// `null` if the applied commit is not in this clone.
    commits: Option<usize>,
    /// `namespace/name`.
    kustomizations: &'a [String],
}

impl<'a> PendingAsJson<'a> {
    fn new(found: &'a Pending) -> Self {
        Self {
            branch: &found.branch,
            commits: found.count,
            kustomizations: &found.kustomizations,
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProblemsAsJson {
    cluster: Vec<FindingAsJson>,
    config: Vec<FindingAsJson>,
    files: Vec<FindingAsJson>,
    flux: Vec<FindingAsJson>,
}

pub(super) fn status<'a>(report: &'a Report<'a>, out: &cli::report::Report) -> StatusAsJson<'a> {
    let found = report.found;
    let all = |finding: &'a [Finding]| finding.iter().map(|finding| finding.as_json(out)).collect();
    let [cluster, config, files, flux] = &report.sections;
    let path = |config: &SopsConfig| config.path.display().to_string();
    StatusAsJson {
        version: VERSION,
        ok: report.problems() == 0 && report.unseen.is_empty(),
        context: &report.target.context,
        server: report.target.server(),
        secret: &report.secret,
        keys: KeysAsJson {
            current: &found.keys.current,
            next: &found.keys.next,
            retired: &found.keys.retired,
        },
        configs: report.audit.rules.configs().map(path).collect(),
        files: FilesAsJson {
            looked_at: report.audit.paths.len(),
            encrypted: found.encrypted,
            for_this_cluster: found.ours,
        },
        kustomizations: found.kustomizations,
        controllers: found
            .controllers
            .as_ref()
            .map(|all| all.iter().map(ControllerAsJson::new).collect()),
        pending: found.pending.iter().map(PendingAsJson::new).collect(),
        problems: ProblemsAsJson {
            cluster: all(&cluster.problems),
            config: all(&config.problems),
            files: all(&files.problems),
            flux: all(&flux.problems),
        },
        remarks: report
            .remarks
            .iter()
            .map(|text| without_private_keys(text))
            .collect(),
        unseen: all(&report.unseen),
    }
}

#[cfg(test)]
mod docs {
    #[test]
    fn the_schema_is_up_to_date() {
        crate::cli::schemas::assert_up_to_date::<super::StatusAsJson<'_>>("status");
    }
}
