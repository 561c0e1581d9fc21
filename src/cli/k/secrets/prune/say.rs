//! What prune has found, in words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::environment::SOPS_AGE_RECIPIENT;
use crate::cli::failure::Failure;
use crate::cli::message::Hint;
use crate::cli::message::command::kb;
use crate::cli::message::hints::use_existing;
use crate::cli::message::safe_text::one_line;
use crate::cli::origin::Sources;
use crate::cli::readers::last_fetch;
use crate::core::cluster::Cluster;
use crate::core::prune::{
    Need, NeedReason, NeededAt, PruneCheck, PruneRemarks, PruneVerdicts as Plan, RetiredKey,
};

/// So many files are named for each need, and so many branches.
const SHOWN: usize = 10;
/// So many letters of a commit are shown.
const SHORT: usize = 10;
const IMPORT: &str = "k secrets init --import --retired";

pub(super) fn plan(context: &Context, cluster: &Cluster, sources: &Sources, plan: &Plan) {
    let report = &context.report;
    let target = cluster.target();
    let (name, server) = (&target.context, target.server());
    let keys: String = if plan.keys.is_empty() {
        "\n  only keys that are also in use".to_owned()
    } else {
        plan.keys.iter().map(verdict).collect()
    };
    report.say(&format!(
        "Pruning the keys of the cluster of context \"{name}\" ({server}):\n{}\nRetired keys:{keys}",
        sources.lines()
    ));
    if !plan.remarks.looked_at.is_empty() {
        let places = plan.remarks.looked_at.iter();
        let places: String = places.map(|it| format!("\n  {}", in_words(it))).collect();
        let fetched = last_fetch(plan.remarks.last_fetch);
        report.say(&format!(
            "Commits that were searched, those of remotes as of the last fetch ({fetched}):{places}"
        ));
    }
    let dropped = plan.keys.iter().filter(|key| !key.is_needed());
    for recipient in dropped.filter_map(|key| key.recipient.as_ref()) {
        let key = report.command(&kb("k secrets key"));
        report.say(&format!(
            "To keep a copy of a key that is dropped: {SOPS_AGE_RECIPIENT}={recipient} {key}"
        ));
    }
    warn(context, &plan.remarks);
}

/// A key, and what needs it.
fn verdict(key: &RetiredKey) -> String {
    let state = match (key.is_needed(), key.needs.is_empty()) {
        (true, _) => "needed",
        (false, true) => "not needed",
        (false, false) => "dropped although it may be needed",
    };
    let needs: String = key.needs.iter().map(need_in_lines).collect();
    format!("\n  {}: {state}{needs}", name_of(key))
}

/// What a key is called.
pub(super) fn name_of(key: &RetiredKey) -> String {
    match (&key.recipient, key.bad_lines) {
        (Some(recipient), _) => recipient.to_string(),
        (None, 0) => "a post-quantum key".to_owned(),
        (None, 1) => "a line that is not a key".to_owned(),
        (None, count) => format!("{count} lines that are not keys"),
    }
}

fn need_in_lines(need: &Need) -> String {
    let check = need.check.name();
    let overridden = if need.is_overridden {
        format!(" (--despite {check})")
    } else {
        String::new()
    };
    let message = message(need);
    let files = files_of(need).iter().take(SHOWN);
    let files: String = files
        .filter(|path| !path.as_os_str().is_empty())
        .map(|path| format!("\n      {}", one_line(path)))
        .collect();
    let more = files_of(need).len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!("\n      and {more} more")
    } else {
        String::new()
    };
    format!("\n    {check}: {message}{overridden}{files}{more}")
}

/// The files that a need is about.
pub(super) fn files_of(need: &Need) -> &[PathBuf] {
    match &need.why {
        NeedReason::Files(files) | NeedReason::Configs(files) | NeedReason::Unreadable(files) => {
            files
        }
        _ => &[],
    }
}

/// What needs a key, in one line.
pub(super) fn message(need: &Need) -> String {
    let place = in_words(&need.place);
    match &need.why {
        NeedReason::Files(_) => format!("{place} has files that are encrypted for it"),
        NeedReason::Configs(_) => format!("{place} has rules that name it"),
        NeedReason::Unreadable(files) if *files == [Path::new("")] => {
            format!("{place} is not complete in this clone, and may need it")
        }
        NeedReason::Unreadable(_) => {
            format!("{place} has files that cannot be read and may be encrypted for it")
        }
        NeedReason::NotInClone => format!("{place} is not in this clone"),
        NeedReason::NotACommit => format!("{place} is not a commit of Git"),
        NeedReason::MayNotList => {
            "kb is not allowed to list Kustomizations, so it cannot tell what is deployed"
                .to_owned()
        }
        NeedReason::Failed(reason) => format!("{place} cannot be searched: {reason}"),
        NeedReason::NothingForCluster => {
            "nothing in this repository is for this cluster, so kb cannot tell what needs its keys"
                .to_owned()
        }
        NeedReason::UnknownRecipient => {
            "kb cannot compute its public key, so it cannot tell what is encrypted for it"
                .to_owned()
        }
    }
}

fn in_words(place: &NeededAt) -> String {
    let short = |commit: &str| commit.get(..SHORT).unwrap_or(commit).to_owned();
    match place {
        NeededAt::WorkingTree => "the working tree".to_owned(),
        NeededAt::Staged => "the index".to_owned(),
        NeededAt::Head(commit) => format!("HEAD ({})", short(commit)),
        NeededAt::Upstream(name, commit) => format!("the upstream {name} ({})", short(commit)),
        NeededAt::DefaultBranch(name, commit) => format!("{name} ({})", short(commit)),
        NeededAt::Worktree(path) => format!("the worktree {}", one_line(path)),
        NeededAt::WorktreeHead(path, commit) => {
            format!(
                "HEAD of the worktree {} ({})",
                one_line(path),
                short(commit)
            )
        }
        NeededAt::Deployed {
            revision,
            said,
            used_by,
        } => {
            let users = used_by.join(", ");
            let said = said
                .as_ref()
                .map(|commit| format!(", by --deployed {commit}"));
            format!("{revision} of {users}{}", said.unwrap_or_default())
        }
        NeededAt::Kustomizations => "the list of Kustomizations".to_owned(),
        NeededAt::Secret => "the Secret".to_owned(),
        NeededAt::Drafts => "the list of drafts".to_owned(),
    }
}

fn warn(context: &Context, remarks: &PruneRemarks) {
    let report = &context.report;
    let text = |text: &str| Some(Hint::Text(text.to_owned()));
    if remarks.no_flux {
        report.warning(
            "the cluster has no Kustomizations of Flux: only this repository was searched",
            None,
        );
    }
    if remarks.is_detached {
        report.warning("no branch is checked out, so there is no upstream", None);
    }
    for name in &remarks.not_here {
        let words = format!("the upstream {name} is not in this clone, and was not searched");
        report.warning(&words, text("git fetch").as_ref());
    }
    for remote in &remarks.never_fetched {
        let words = format!("the remote {remote} was never fetched, and was not searched");
        let hint = format!("git fetch {remote}");
        report.warning(&words, text(&hint).as_ref());
    }
    for remote in &remarks.no_default_branch {
        let words = format!("the default branch of the remote {remote} is not known");
        let hint = format!("git remote set-head {remote} --auto");
        report.warning(&words, text(&hint).as_ref());
    }
    if !remarks.refs.is_empty() {
        let shown: Vec<&str> = remarks
            .refs
            .iter()
            .take(SHOWN)
            .map(String::as_str)
            .collect();
        let more = remarks.refs.len().saturating_sub(SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        report.warning(
            &format!(
                "files in {}{more} need a retired key: it is needed again after a merge",
                shown.join(", ")
            ),
            None,
        );
    }
    if let Some(reason) = &remarks.refs_unseen {
        let words = format!("other branches and tags were not searched: {reason}");
        report.warning(&words, None);
    }
    for copy in &remarks.copies {
        let holds = match copy.journal {
            Some(_) => "holds a retired key too, which prune does not drop",
            None => "may hold a retired key too: kb may not read it",
        };
        report.warning(&format!("the Secret {} {holds}", copy.secret), None);
    }
}

/// What is dropped, in a question.
pub(super) fn what_goes(plan: &Plan) -> String {
    if plan.keys.is_empty() {
        return "lines that repeat keys in use".to_owned();
    }
    number_of_keys(plan.keys.iter().filter(|key| !key.is_needed()).count())
}

fn number_of_keys(count: usize) -> String {
    match count {
        1 => "1 retired key".to_owned(),
        count => format!("{count} retired keys"),
    }
}

pub(super) fn done(context: &Context, plan: &Plan) {
    let dropped = plan.keys.iter().filter(|key| !key.is_needed()).count();
    let secret = context.common.secret();
    if plan.keys.is_empty() {
        let text = format!("Done: the Secret {secret} holds no retired key any more.");
        context.report.say(&text);
        return;
    }
    context.report.say(&format!(
        "Done: {} dropped from the Secret {secret}.\nTo put one back, with your copy of it on stdin: {}",
        number_of_keys(dropped),
        context.report.command(&kb(IMPORT))
    ));
}

/// Fails if keys are needed.
pub(super) fn refusal(plan: &Plan, is_dropped: bool) -> Result<(), Failure> {
    let needed: Vec<&RetiredKey> = plan.keys.iter().filter(|key| key.is_needed()).collect();
    if needed.is_empty() {
        return Ok(());
    }
    let keys = needed.iter().map(|key| {
        let checks = names_of(key.kept_by(), ", ");
        format!("\n  {} ({checks})", name_of(key))
    });
    let others = if is_dropped {
        ", the others were dropped"
    } else {
        ""
    };
    let text = format!(
        "{} may still be needed{others}:{}",
        number_of_keys(needed.len()),
        keys.collect::<String>()
    );
    let mut hints = Vec::new();
    for need in needed.iter().flat_map(|key| &key.needs) {
        if !need.is_overridden {
            hints.extend(hints_for(need));
        }
    }
    let checks = needed.iter().flat_map(|key| key.kept_by()).collect();
    Err(Failure::new(text).hints_of(hints).hint_command(
        "to drop them anyway, after which only a copy of the key opens what is encrypted for it:",
        kb("k secrets prune").option("--despite", names_of(checks, ",")),
    ))
}

/// The names of checks, in their order.
fn names_of(checks: BTreeSet<PruneCheck>, separator: &str) -> String {
    let names: Vec<&str> = checks.into_iter().map(PruneCheck::name).collect();
    names.join(separator)
}

fn hints_for(need: &Need) -> Option<Hint> {
    let text = |text: &str| Some(Hint::Text(text.to_owned()));
    match (&need.why, &need.place) {
        (NeedReason::NothingForCluster, _) => {
            text("cd to the repository of the cluster; --context chooses another cluster")
        }
        (NeedReason::Files(_) | NeedReason::Configs(_), NeededAt::WorkingTree) => {
            Some(Hint::command(
                "to move files and rules to the current key:",
                use_existing(),
            ))
        }
        (NeedReason::Files(_), NeededAt::Deployed { .. }) => {
            text("commit and push, and wait until Flux has applied it: flux get kustomizations -A")
        }
        (NeedReason::Files(_), NeededAt::Head(_) | NeededAt::Staged) => {
            text("commit the files that are encrypted for the current key: git add, git commit")
        }
        (NeedReason::Files(_), NeededAt::Drafts) => Some(Hint::command(
            "to see the drafts, and how to save or discard each:",
            kb("k secrets drafts"),
        )),
        (NeedReason::Files(_), NeededAt::Upstream(..) | NeededAt::DefaultBranch(..)) => text(
            "push the files that are encrypted for the current key: git push; if they were pushed: git fetch",
        ),
        (NeedReason::Files(_) | NeedReason::Configs(_), _) => text(
            "check out a commit in that worktree whose files are encrypted for the current key, or remove the worktree: git worktree remove PATH",
        ),
        (NeedReason::Unreadable(_), _) => {
            text("--skip PATH leaves out a path that has no files of this cluster, in commits too")
        }
        (NeedReason::NotInClone, _) => {
            text("to get that revision, so that kb can search it: git fetch")
        }
        (NeedReason::NotACommit, NeededAt::Deployed { used_by, .. }) => {
            let name = used_by.first().map_or("NAMESPACE/NAME", String::as_str);
            Some(Hint::command(
                "if you know the commit that it was made of:",
                kb("k secrets prune").option("--deployed", format!("{name}=COMMIT")),
            ))
        }
        (NeedReason::MayNotList, _) => text(
            "ask for a ClusterRole with the verb list on kustomizations.kustomize.toolkit.fluxcd.io",
        ),
        (NeedReason::UnknownRecipient, _) => {
            text("to list the files that are encrypted for such a key: grep -rl age1pq .")
        }
        (NeedReason::NotACommit | NeedReason::Failed(_), _) => None,
    }
}
