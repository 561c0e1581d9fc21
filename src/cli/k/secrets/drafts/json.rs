//! The drafts for machines. The shape is in `docs/schemas`.

use serde::Serialize;

use super::Found;
use crate::core::edit::KeptPlace;
use crate::core::identity::Recipient;

/// Goes up when a field is removed or changes its meaning.
const VERSION: u32 = 1;

/// What is printed. Paths are absolute.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DraftsAsJson {
    version: u32,
    /// The newest first.
    drafts: Vec<DraftAsJson>,
    /// Files whose editor still runs although its kb was killed.
    open: Vec<OpenAsJson>,
    /// Files in the directory of drafts that kb cannot read.
    unreadable: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DraftAsJson {
    /// The file that the text is for.
    file: String,
    /// When it was written, as in RFC 3339.
    since: String,
    /// Who can open it.
    recipients: Vec<Recipient>,
    /// `disk` (encrypted), `memory` or `plain-disk` (not encrypted).
    place: &'static str,
    path: String,
    /// The command that goes on with it.
    resume: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OpenAsJson {
    file: String,
    pid: u32,
}

pub(super) fn drafts(found: &Found) -> DraftsAsJson {
    let drafts = found.all().into_iter().map(|kept| {
        let (place, path) = match kept.place {
            KeptPlace::Draft(path) => ("disk", path),
            KeptPlace::Plain {
                path,
                in_memory: true,
                ..
            } => ("memory", path),
            KeptPlace::Plain { path, .. } => ("plain-disk", path),
        };
        let since = jiff::Timestamp::try_from(kept.head.since);
        DraftAsJson {
            file: kept.head.target.display().to_string(),
            since: since.map(|since| since.to_string()).unwrap_or_default(),
            recipients: kept.head.recipients,
            place,
            path: path.display().to_string(),
            resume: kept.head.resume,
        }
    });
    let open = found.open.iter().map(|(file, pid)| OpenAsJson {
        file: file.display().to_string(),
        pid: *pid,
    });
    let unreadable = found.unreadable.iter();
    DraftsAsJson {
        version: VERSION,
        drafts: drafts.collect(),
        open: open.collect(),
        unreadable: unreadable.map(|path| path.display().to_string()).collect(),
    }
}

#[cfg(test)]
mod docs {
    #[test]
    fn the_schema_is_up_to_date() {
        crate::cli::schemas::assert_up_to_date::<super::DraftsAsJson>("drafts");
    }
}
