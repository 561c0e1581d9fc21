//! What is said of each problem, and what mends it.

mod config;
mod files;
mod flux;
mod secret;

use super::Section;
use crate::cli::k::secrets::finding::{self, Finding, SopsCommand};
use crate::cli::message::safe_text::one_line;
use crate::core::audit::Audit;
use crate::core::cluster::{ClusterTarget, SecretName};
use crate::core::sops_config::SopsConfig;
use crate::core::status::StatusReport;

/// The parts of the screen.
pub(super) fn sections(
    secret: &SecretName,
    target: &ClusterTarget,
    audit: &Audit,
    found: &mut StatusReport,
    sops: &SopsCommand,
) -> [Section; 4] {
    let config = finding::broken_configs(audit)
        .chain(finding::of_configs(audit))
        .chain(found.config.iter().map(config::of_config))
        .collect();
    let files = audit.files.iter().flat_map(|file| {
        let sops = sops.for_file(&file.path, audit);
        let leaks = file.leaks(audit).into_iter();
        leaks.map(move |leak| finding::leak(&file.path, &leak, &sops))
    });
    let others = std::mem::take(&mut found.files).into_iter();
    let others =
        others.map(|(path, problem)| files::of_file(&path, problem, &sops.for_file(&path, audit)));
    [
        Section {
            name: "Cluster",
            facts: cluster_facts(secret, target, found),
            problems: found
                .secret
                .iter()
                .map(|it| secret::of_secret(secret, it))
                .collect(),
        },
        Section {
            name: ".sops.yaml",
            facts: audit.rules.configs().map(config_fact).collect(),
            problems: config,
        },
        Section {
            name: "Files",
            facts: vec![format!(
                "{} looked at, {} encrypted, {} of them for this cluster",
                audit.paths.len(),
                found.encrypted,
                found.ours
            )],
            problems: files.chain(others).collect(),
        },
        Section {
            name: "Flux",
            facts: flux_facts(found),
            problems: found
                .flux
                .iter()
                .map(|it| flux::of_flux(secret, it))
                .collect(),
        },
    ]
}

fn cluster_facts(secret: &SecretName, target: &ClusterTarget, found: &StatusReport) -> Vec<String> {
    let mut facts = vec![
        format!("context \"{}\" ({})", target.context, target.server()),
        format!("Secret {secret}"),
    ];
    let keys = [
        ("public key", &found.keys.current),
        ("new key", &found.keys.next),
        ("retired", &found.keys.retired),
    ];
    for (name, recipients) in keys {
        facts.extend(recipients.iter().map(|key| format!("  {name} {key}")));
    }
    facts
}

fn flux_facts(found: &StatusReport) -> Vec<String> {
    let kustomizations = match found.kustomizations {
        _ if found.flux_unseen => "kb may not list Kustomizations".to_owned(),
        None => return vec!["the cluster knows no Kustomizations".to_owned()],
        Some(1) => "1 Kustomization".to_owned(),
        Some(count) => format!("{count} Kustomizations"),
    };
    let mut facts = vec![kustomizations];
    facts.extend(flux::controller_facts(found));
    facts.extend(found.pending.iter().map(flux::pending));
    facts
}

fn config_fact(config: &SopsConfig) -> String {
    let path = config.path.display();
    match config.rules.len() {
        1 => format!("1 rule in {path}"),
        count => format!("{count} rules in {path}"),
    }
}

/// What is worth knowing, and no problem.
pub(super) fn remarks(audit: &Audit, found: &StatusReport, sops: &SopsCommand) -> Vec<String> {
    let copies = found.copies_unseen.then(|| {
        "kb may not list Secrets of other namespaces: of copies it sees those that Kustomizations name".to_owned()
    });
    let unruled = audit.unruled_secrets();
    let fields = finding::unknown_fields(audit);
    let configs = sops.remarks(audit).into_iter();
    fields
        .chain(unruled.map(|(path, found)| finding::unruled(path, found)))
        .chain(finding::placeholders(audit))
        .chain(finding::settings(audit))
        .chain(finding::unnamed(audit))
        .chain(copies)
        .chain(configs)
        .chain(
            finding::ignored(audit)
                .map(|ignored| format!("{ignored}; --no-ignore counts them too")),
        )
        .collect()
}

/// What could not be looked at.
pub(super) fn unseen(audit: &Audit, found: &StatusReport) -> Vec<Finding> {
    let flux = found.flux_unseen.then(|| {
        Finding::new("flux-unseen", "", "kb may not list Kustomizations, and so does not know how Flux fares").hint(
            "ask for a ClusterRole with the verb list on kustomizations.kustomize.toolkit.fluxcd.io",
        )
    });
    let unopened = found.files_unopened.then(|| {
        Finding::new(
            "files-unopened",
            "",
            "no file was opened: sops reads the broken .sops.yaml first",
        )
        .hint("fix it first, as the problem above says")
    });
    let files = audit.unread.iter().map(|(path, error)| {
        Finding::new(
            "file-unseen",
            one_line(path),
            format!("cannot be read: {error}"),
        )
        .hint("--skip PATH leaves out what need not be looked at")
    });
    let secrets = found.unseen_secrets.iter().map(|(kustomization, secret)| {
        Finding::new(
            "secret-unseen",
            kustomization.clone(),
            format!("kb may not read the Secret {secret} that the Kustomization decrypts with"),
        )
        .hint("ask for a Role with the verb get on it")
    });
    let fallback = found.fallback_unseen.iter().map(|kustomization| {
        Finding::new(
            "fallback-unseen",
            kustomization.clone(),
            "the Kustomization decrypts and names no Secret, and kb cannot tell which one kustomize-controller takes",
        )
        .hint("name it in spec.decryption.secretRef, or ask for a Role with the verb list on deployments.apps")
    });
    let unseen = files.chain(unopened).chain(flux).chain(secrets);
    unseen.chain(fallback).collect()
}
