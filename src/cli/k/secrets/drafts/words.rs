//! What is said of drafts.

use std::time::{Duration, SystemTime};

use super::Found;
use crate::cli::failure::Failure;
use crate::cli::message::safe_text::one_line;
use crate::core::edit::{Adopted, KeptDraft, KeptPlace, Unsaved};
use crate::core::identity::Recipient;

/// How long ago something was, as people say it.
pub(in crate::cli) fn ago(since: SystemTime) -> String {
    let age = SystemTime::now().duration_since(since).unwrap_or_default();
    in_words(age)
}

fn in_words(age: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let (count, unit) = match age.as_secs() {
        0..MINUTE => return "just now".to_owned(),
        seconds @ MINUTE..HOUR => (seconds / MINUTE, "minute"),
        seconds @ HOUR..DAY => (seconds / HOUR, "hour"),
        seconds => (seconds / DAY, "day"),
    };
    match count {
        1 => format!("1 {unit} ago"),
        _ => format!("{count} {unit}s ago"),
    }
}

/// Where a text is, as in "the text is kept …".
pub(in crate::cli) fn place(kept: &KeptDraft) -> String {
    match &kept.place {
        KeptPlace::Draft(path) => format!(
            "encrypted for {}, in {}",
            Recipient::list(&kept.head.recipients),
            one_line(path)
        ),
        KeptPlace::Plain {
            path,
            in_memory,
            reason,
        } => {
            let place = match in_memory {
                true => "in memory, until you log out or the machine restarts",
                false => "on a disk, in plaintext",
            };
            let reason = Failure::from_error(&**reason);
            let reason = reason.message().unwrap_or_default();
            format!("{place} ({}), because {reason}", one_line(path))
        }
    }
}

/// What was found in memory, for a person.
pub(super) fn adopted(adopted: &Adopted) -> Vec<String> {
    let drafts = adopted.drafts.iter().map(|kept| {
        format!(
            "A killed kb left unsaved text for {}. It is kept {}; to go on with it: {}",
            one_line(&kept.head.target),
            place(kept),
            kept.head.resume
        )
    });
    let plain = adopted.plain.iter().map(Unsaved::kept).map(|kept| {
        format!(
            "Unsaved text for {} is kept {}; to go on with it: {}",
            one_line(&kept.head.target),
            place(&kept),
            kept.head.resume
        )
    });
    let open = adopted.open.iter().map(|(head, pid)| {
        format!(
            "The editor of a killed kb still has {} open (pid {pid}). Close it; then: {}",
            one_line(&head.target),
            head.resume
        )
    });
    drafts.chain(plain).chain(open).collect()
}

/// The list for people.
pub(super) fn list(found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    for kept in found.all() {
        lines.push(one_line(&kept.head.target));
        lines.push(format!("  written {}", ago(kept.head.since)));
        lines.push(format!("  kept {}", place(&kept)));
        lines.push(format!("  to go on with it: {}", kept.head.resume));
    }
    for (file, pid) in &found.open {
        lines.push(one_line(file));
        lines.push(format!(
            "  still open in the editor of a killed kb, pid {pid}"
        ));
    }
    for path in &found.unreadable {
        lines.push(one_line(path));
        lines.push("  not a draft of this version of kb".to_owned());
    }
    lines
}

/// What `status` says of the drafts for files of a repository.
pub(in crate::cli) fn remarks(found: &Found) -> Vec<String> {
    let unsaved = found.all().into_iter().map(|kept| {
        format!(
            "{} has a draft that is not saved ({}); to go on with it: {}",
            one_line(&kept.head.target),
            ago(kept.head.since),
            kept.head.resume
        )
    });
    let open = found.open.iter().map(|(file, pid)| {
        format!(
            "{} is still open in the editor of a killed kb (pid {pid})",
            one_line(file)
        )
    });
    unsaved.chain(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_its_largest_unit() {
        for (seconds, words) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (7300, "2 hours ago"),
            (86400, "1 day ago"),
            (86400 * 400, "400 days ago"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
