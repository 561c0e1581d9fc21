//! What is said of each problem, and what mends it.

use std::path::Path;

use super::Section;
use crate::cli::failure::{Program, edit_arguments};
use crate::cli::k::secrets::told::{self, SopsCommand, Told, word};
use crate::cli::options::quoted;
use crate::cli::report::one_line;
use crate::core::audit::Audit;
use crate::core::cluster::{SecretName, Target};
use crate::core::flux_secret::{CURRENT_ENTRY, ENTRY_ENDING, KeysError, MISNAMED_ENTRY, Manager};
use crate::core::identity::Recipient;
use crate::core::sops_config::{RuleSummary, SopsConfig};
use crate::core::status::{ConfigProblem, FileProblem, FluxProblem, SecretProblem, Status};

const OTHER_CLUSTER: &str =
    "--context chooses another cluster, -n and --secret-name another Secret";

/// The parts of the screen.
pub(super) fn sections(
    secret: &SecretName,
    target: &Target,
    audit: &mut Audit,
    found: &mut Status,
    sops: &SopsCommand,
) -> [Section; 4] {
    let broken = audit.rules.take_broken().into_iter();
    let broken = broken.map(|error| Told::of_failure("config-broken", error.into()));
    let config = broken.chain(found.config.iter().map(of_config)).collect();
    let audit = &*audit;
    let files = audit.files.iter().flat_map(|file| {
        let sops = sops.for_file(&file.path, audit);
        let leaks = file.leaks(audit).into_iter();
        leaks.map(move |leak| told::leak(&file.path, &leak, &sops))
    });
    let others = std::mem::take(&mut found.files).into_iter();
    let others =
        others.map(|(path, problem)| of_file(&path, problem, &sops.for_file(&path, audit)));
    [
        Section {
            name: "Cluster",
            facts: cluster_facts(secret, target, found),
            problems: found
                .secret
                .iter()
                .map(|it| of_secret(secret, it))
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
            facts: vec![match found.kustomizations {
                _ if found.flux_unseen => "kb may not list Kustomizations".to_owned(),
                None => "the cluster knows no Kustomizations".to_owned(),
                Some(1) => "1 Kustomization".to_owned(),
                Some(count) => format!("{count} Kustomizations"),
            }],
            problems: found.flux.iter().map(|it| of_flux(secret, it)).collect(),
        },
    ]
}

fn cluster_facts(secret: &SecretName, target: &Target, found: &Status) -> Vec<String> {
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

fn config_fact(config: &SopsConfig) -> String {
    let path = config.path.display();
    match config.rules.len() {
        1 => format!("1 rule in {path}"),
        count => format!("{count} rules in {path}"),
    }
}

/// What is worth knowing, and no problem.
pub(super) fn remarks(audit: &Audit, found: &Status) -> Vec<String> {
    let copies = found.copies_unseen.then(|| {
        "kb may not list Secrets of other namespaces: of copies it sees those that Kustomizations name".to_owned()
    });
    let unruled = audit.unruled_secrets();
    let remark = |path: &Path| {
        let path = one_line(path);
        format!("{path} is a Secret that is not encrypted, and no rule of .sops.yaml is for it")
    };
    unruled.map(remark).chain(copies).collect()
}

/// What could not be looked at.
pub(super) fn unseen(audit: &Audit, found: &Status) -> Vec<Told> {
    let flux = found.flux_unseen.then(|| {
        Told::new("flux-unseen", "", "kb may not list Kustomizations, and so does not know how Flux fares").hint(
            "ask for a ClusterRole with the verb list on kustomizations.kustomize.toolkit.fluxcd.io",
        )
    });
    let unopened = found.files_unopened.then(|| {
        Told::new(
            "files-unopened",
            "",
            "no file was opened: sops reads the broken .sops.yaml first",
        )
        .hint("mend it, as is said above")
    });
    let files = audit.unread.iter().map(|(path, error)| {
        Told::new(
            "file-unseen",
            one_line(path),
            format!("cannot be read: {error}"),
        )
        .hint("--skip PATH leaves out what need not be looked at")
    });
    let secrets = found.unseen_secrets.iter().map(|(kustomization, secret)| {
        Told::new(
            "secret-unseen",
            kustomization.clone(),
            format!("kb may not read the Secret {secret} that the Kustomization decrypts with"),
        )
        .hint("ask for a Role with the verb get on it")
    });
    files.chain(unopened).chain(flux).chain(secrets).collect()
}

fn of_secret(secret: &SecretName, problem: &SecretProblem) -> Told {
    let told = |kind, words: String| Told::new(kind, secret.to_string(), words);
    let edit = |told: Told, purpose: &str| {
        told.hint_command(purpose, Program::Kubectl, edit_arguments(secret))
    };
    match problem {
        SecretProblem::Missing { namespace_exists } => {
            let words = match namespace_exists {
                Some(false) => format!("the cluster has no namespace {}", secret.namespace),
                _ => "the cluster has no such Secret".to_owned(),
            };
            told("secret-missing", words)
                .hint_kb("to give this cluster a key:", "k secrets init")
                .hint_kb("to give it back the one that it had:", "k secrets init --import")
                .hint(OTHER_CLUSTER)
        }
        SecretProblem::NoKey(error) => match error {
            KeysError::Misnamed { .. } => edit(
                told("entry-not-read", not_read(MISNAMED_ENTRY)),
                &format!("to rename it to {CURRENT_ENTRY}:"),
            ),
            KeysError::NoEntry { entries, .. } => edit(
                told(
                    "no-key",
                    match entries.is_empty() {
                        true => "it holds nothing".to_owned(),
                        false => format!("it holds {}, and no key", entries.join(", ")),
                    },
                ),
                &format!("the key belongs in {CURRENT_ENTRY}:"),
            ),
            KeysError::NoIdentity { bad_lines, .. } => {
                let reason = match bad_lines.first() {
                    Some(bad) => format!("{}, line {}: {}", bad.entry, bad.line, bad.reason),
                    None => "its entries are empty".to_owned(),
                };
                edit(
                    told("no-key", format!("it holds no usable key: {reason}")),
                    "to put it back from your password manager:",
                )
            }
        },
        SecretProblem::OnlyRetired => told(
            "only-retired-keys",
            "it holds no other keys than retired ones".to_owned(),
        )
        .hint_kb("to give the cluster a new key:", "k secrets init --force"),
        SecretProblem::NotRead { entry } => edit(
            told("entry-not-read", not_read(entry)),
            "to rename it, or to take it out:",
        ),
        SecretProblem::BadLine(bad) => edit(
            told(
                "entry-no-key",
                format!(
                    "{}, line {}: {}; Flux refuses the whole Secret for it",
                    bad.entry, bad.line, bad.reason
                ),
            ),
            "to take the line out (the entry is base64):",
        ),
        SecretProblem::Empty { entry } => edit(
            told("entry-no-key", format!("{entry} holds no key")),
            "to take it out:",
        ),
        SecretProblem::Managed(manager) => {
            let told = told(
                "secret-managed",
                format!("{manager} manages it, and would put back an old key after a rotation"),
            );
            match manager {
                Manager::Owner(_) => told.hint("let that owner give it up, so that kb alone keeps the key"),
                Manager::Kustomization(_) => told.hint_command(
                    "take its manifest out of the repository (with prune: disabled on it), and then its labels:",
                    Program::Kubectl,
                    format!(
                        "-n {} label secret {} kustomize.toolkit.fluxcd.io/name- kustomize.toolkit.fluxcd.io/namespace-",
                        secret.namespace, secret.name
                    ),
                ),
                Manager::Helm => told.hint_command(
                    "take it out of the chart (keep it: helm.sh/resource-policy), and then its label:",
                    Program::Kubectl,
                    format!(
                        "-n {} label secret {} app.kubernetes.io/managed-by-",
                        secret.namespace, secret.name
                    ),
                ),
                Manager::Applier(_) => told.hint_command(
                    "to see who applied what:",
                    Program::Kubectl,
                    format!(
                        "-n {} get secret {} --show-managed-fields -o jsonpath='{{.metadata.managedFields}}'",
                        secret.namespace, secret.name
                    ),
                ),
            }
        }
        SecretProblem::InRepository { path } => Told::new(
            "secret-in-repository",
            one_line(path),
            format!("this file holds the Secret {secret} itself: Flux would put it back after a rotation"),
        )
        .hint(format!("take it out of the repository: git rm {}", word(path))),
        SecretProblem::OtherCopy { copy, held } => Told::new(
            "other-copy",
            copy.to_string(),
            format!("a Secret of the same name, with another key: {}", Recipient::list(held)),
        )
        .hint_command(
            "to see whose it is:",
            Program::Kubectl,
            format!("-n {} describe secret {}", copy.namespace, copy.name),
        )
        .hint("if it is a copy of this one, replace it; if it is another team's own, a rule of .sops.yaml or a Kustomization of their repository says so"),
        SecretProblem::UnderWay { next } => told(
            "rotation-under-way",
            format!("a rotation is under way, to {}", Recipient::list(next)),
        )
        .hint_kb("to finish it:", "k secrets init --force"),
        SecretProblem::NotPruned { retired } => told(
            "retired-key",
            match retired.is_empty() {
                true => "it still holds retired keys".to_owned(),
                false => format!("it still holds the retired key {}", Recipient::list(retired)),
            },
        )
        .hint_kb(
            "when what was rotated is pushed and applied:",
            "k secrets prune",
        ),
    }
}

fn not_read(entry: &str) -> String {
    format!(
        "{entry} holds a key, and Flux does not read it: it should be called {CURRENT_ENTRY} (Flux reads names that end in {ENTRY_ENDING})"
    )
}

fn of_config(problem: &ConfigProblem) -> Told {
    match problem {
        ConfigProblem::Missing => {
            Told::new("config-missing", "", "the repository has no .sops.yaml").hint_kb(
                "to write one with the cluster's key:",
                "k secrets init --use-existing",
            )
        }
        ConfigProblem::KeyNotNamed { held, named } => {
            let words = match (held.is_empty(), named.is_empty()) {
                (false, true) => {
                    format!("no rule names the cluster's key {}", Recipient::list(held))
                }
                (false, false) => format!(
                    "no rule names the cluster's key {}; they name {}, which this cluster does not hold",
                    Recipient::list(held),
                    Recipient::list(named)
                ),
                (true, false) => format!("the cluster does not hold {}", Recipient::list(named)),
                (true, true) => "no rule names a key of a cluster".to_owned(),
            };
            let told = Told::new("key-not-named", "", words);
            match (held.is_empty(), named.as_slice()) {
                (true, _) => told.hint(OTHER_CLUSTER),
                (false, []) => told.hint_kb(
                    "to put it into .sops.yaml:",
                    "k secrets init --use-existing",
                ),
                (false, named) => {
                    let told = told.hint_kb(
                        "to add a rule for this cluster's files:",
                        "k secrets init --use-existing --path-regex RE",
                    );
                    let told = match named {
                        [only] => told.hint_kb(
                            "if this cluster was rebuilt, and had that key:",
                            format!("k secrets init --use-existing --replace {only}"),
                        ),
                        _ => told,
                    };
                    told.hint("--context chooses another cluster, if this is the wrong one")
                }
            }
        }
        ConfigProblem::RetiredNamed { rule, retired } => Told::new(
            "retired-key-named",
            rule.clone(),
            format!("the rule names {retired}, which was rotated away"),
        )
        .hint_kb(
            "to bring rules and files in line:",
            "k secrets init --use-existing",
        ),
        ConfigProblem::NeverApplies {
            rule,
            paths,
            earlier,
        } => {
            let paths = paths.as_deref().unwrap_or("every path");
            let words = match earlier.as_slice() {
                [] => format!("no path matches the rule's {paths}"),
                earlier => {
                    let earlier: Vec<String> = earlier.iter().map(RuleSummary::to_string).collect();
                    format!(
                        "sops never comes to the rule for {paths}: {} takes all of its files",
                        earlier.join(" and ")
                    )
                }
            };
            Told::new("rule-never-applies", rule.clone(), words)
                .hint("put it above that rule, or take it out")
        }
        ConfigProblem::CoversKustomization { rule, path } => Told::new(
            "rule-covers-kustomization",
            rule.clone(),
            format!(
                "the rule is for {}, which kustomize could not read any more if it were encrypted",
                one_line(path)
            ),
        )
        .hint(format!(
            "give it a narrower path_regex, as in {}",
            quoted(crate::core::sops_config::DEFAULT_PATH_REGEX)
        )),
    }
}

fn of_file(path: &Path, problem: FileProblem, sops: &str) -> Told {
    let told = |kind, words: String| Told::new(kind, one_line(path), words);
    let file = word(path);
    match problem {
        FileProblem::NoRule => told("no-rule", "no rule is for it".to_owned()).hint_kb(
            "to add a rule with the cluster's key:",
            format!(
                "k secrets init --use-existing --path-regex {}",
                quoted(&only_name(path))
            ),
        ),
        FileProblem::OtherRecipients {
            rule,
            missing,
            extra,
            is_retired,
            is_ours,
        } => {
            let mut words = Vec::new();
            if !missing.is_empty() {
                words.push(format!("it is not for {}", Recipient::list(&missing)));
            }
            if !extra.is_empty() {
                words.push(format!("it is for {} as well", Recipient::list(&extra)));
            }
            let told = told(
                "other-recipients",
                format!("its rule {rule} has other recipients: {}", words.join(", ")),
            );
            match (is_retired, is_ours) {
                (true, _) => told.hint_kb(
                    "to move it to the current key:",
                    "k secrets init --use-existing",
                ),
                (false, true) => told.hint_kb(
                    "to give it those of its rule:",
                    format!("k secrets exec -- {sops} updatekeys {file}"),
                ),
                (false, false) => told.hint(format!(
                    "to give it those of its rule, with the key of its own cluster: kb k secrets exec --context OTHER -- {sops} updatekeys {file}"
                )),
            }
        }
        FileProblem::UnknownKeys { recipients } => told(
            "unknown-keys",
            format!(
                "it is for {}, which neither the cluster nor any rule has",
                Recipient::list(&recipients)
            ),
        )
        .hint(format!(
            "with that key in SOPS_AGE_KEY, {sops} updatekeys {file} moves it to those of its rule"
        ))
        .hint(format!(
            "if that key is lost, so is the file: git rm {file}"
        )),
        FileProblem::EncryptedHead { field } => told(
            "head-encrypted",
            format!("{field} is encrypted, so Flux cannot apply it"),
        )
        .hint(told::ENCRYPTED_REGEX)
        .anew(path, sops),
        FileProblem::EncryptedKustomization => told(
            "kustomization-encrypted",
            "kustomize reads it before anything is decrypted".to_owned(),
        )
        .hint(format!("to see how it was before: git log -p -- {file}")),
        FileProblem::TooLarge { size } => told(
            "too-large",
            format!(
                "it has {:.1} MiB, and Flux decrypts no file of more than 5",
                size as f64 / f64::from(1 << 20)
            ),
        )
        .hint("split it: each Secret in a file of its own"),
        FileProblem::WrongMac => told(
            "wrong-mac",
            "its MAC does not match: it was changed without sops, which Flux does not notice"
                .to_owned(),
        )
        .hint(format!("to see what was changed: git log -p -- {file}"))
        .hint_kb(
            "if it is right as it is, to give it its MAC:",
            format!("k secrets exec -- {sops} --rotate --ignore-mac --in-place {file}"),
        ),
        FileProblem::NotOpened(error) => Told {
            subject: one_line(path),
            ..Told::of_failure("does-not-open", error.into())
        },
    }
}

/// An expression for the one file.
fn only_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let escaped: String = name
        .chars()
        .flat_map(
            |c| match c.is_ascii_alphanumeric() || "-_ ".contains(c) || !c.is_ascii() {
                true => vec![c],
                false => vec!['\\', c],
            },
        )
        .collect();
    format!("(^|/){escaped}$")
}

fn of_flux(ours: &SecretName, problem: &FluxProblem) -> Told {
    match problem {
        FluxProblem::NoDecryption {
            kustomization,
            file,
        } => Told::new(
            "no-decryption",
            kustomization.clone(),
            format!(
                "the Kustomization applies {}, which is encrypted, and has no spec.decryption",
                one_line(file)
            ),
        )
        .hint(format!(
            "add to its spec: decryption: {{provider: sops, secretRef: {{name: {}}}}}",
            ours.name
        )),
        FluxProblem::SecretMissing {
            kustomization,
            secret,
            key,
        } => {
            let told = Told::new(
                "decryption-secret-missing",
                kustomization.clone(),
                format!("the Kustomization decrypts with the Secret {secret}, which is not there"),
            );
            match (ours.namespace == secret.namespace, key) {
                (false, Some(key)) => told.hint_kb(
                    &format!(
                        "Flux looks for it in the Kustomization's own namespace; to give it this cluster's key: SOPS_AGE_RECIPIENT={key}"
                    ),
                    format!(
                        "k secrets key | kb k secrets init --import -n {} --secret-name {}",
                        secret.namespace, secret.name
                    ),
                ),
                _ => told.hint(name_of_secret(ours)),
            }
        }
        FluxProblem::OtherSecret {
            kustomization,
            secret,
            file,
        } => {
            let told = Told::new(
                "other-decryption-secret",
                kustomization.clone(),
                format!(
                    "the Kustomization decrypts with the Secret {secret}, which does not hold the key for {}",
                    one_line(file)
                ),
            );
            match ours.namespace == secret.namespace {
                true => told.hint(name_of_secret(ours)),
                false => told
                    .hint_command(
                        "to see whose that Secret is:",
                        Program::Kubectl,
                        format!("-n {} describe secret {}", secret.namespace, secret.name),
                    )
                    .hint("if it is to be a copy, take its key out; what is said of a missing one then mends it"),
            }
        }
        FluxProblem::Failed {
            kustomization,
            message,
        } => {
            let (namespace, name) = kustomization.split_once('/').unwrap_or(("", kustomization));
            Told::new(
                "flux-failed",
                kustomization.clone(),
                format!("Flux says: {}", message),
            )
            .hint(format!(
                "when what is named above is mended: flux reconcile kustomization {name} -n {namespace}"
            ))
        }
    }
}

fn name_of_secret(ours: &SecretName) -> String {
    format!("let its spec.decryption.secretRef.name be {}", ours.name)
}
