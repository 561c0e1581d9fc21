//! Encrypted files that no rule is for, and that had one: they were moved, or a rule was
//! changed. Nobody says any more who may read them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::content::FileContent;
use super::{Audit, Rules};
use crate::core::git::{Git, GitError};
use crate::core::reviewed::Reviewed;

/// A rule that a file had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRule {
    /// The path that the file had then, from the top of the repository, if it had another.
    pub former: Option<PathBuf>,
    /// The rule, as `FILE:LINE:COLUMN`.
    pub rule: String,
    /// Where it had it: the remote's default branch, or HEAD.
    pub revision: String,
}

/// The encrypted files without a rule that had one in the remote's default branch, or in
/// HEAD where there is no such branch. `staged`: the files are those of the index.
///
/// # Errors
/// [`GitError`]
pub(super) fn lost_rules(
    audit: &Audit,
    git: &Git,
    staged: bool,
) -> Result<HashMap<PathBuf, LostRule>, GitError> {
    let unruled = audit.files.iter().filter(|file| {
        matches!(file.content, FileContent::Encrypted(_)) && audit.rules.of(&file.path).is_none()
    });
    let unruled: Vec<&Path> = unruled.map(|file| file.path.as_path()).collect();
    let mut lost = HashMap::new();
    if unruled.is_empty() {
        return Ok(lost);
    }
    let Some(reviewed) = Reviewed::load_or_head(git)? else {
        return Ok(lost);
    };
    let root = git.root();
    let renamed = git.renamed(reviewed.commit(), staged)?;
    let former_path = |path: &Path| {
        let inner = path.strip_prefix(root).ok()?;
        Some(
            renamed
                .get(inner)
                .map_or_else(|| path.to_owned(), |old| root.join(old)),
        )
    };
    let former: Vec<(&Path, PathBuf)> = unruled
        .into_iter()
        .filter_map(|path| Some((path, former_path(path)?)))
        .collect();
    let directories = former.iter().filter_map(|(_, old)| old.parent());
    let rules = reviewed.rules(directories, None)?;
    for (path, old) in &former {
        let rule = place(&rules, old).or_else(|| place(&audit.rules, old));
        let Some(rule) = rule else {
            continue;
        };
        let inner = old.strip_prefix(root).unwrap_or(old);
        if !git.has_file(reviewed.commit(), inner)? {
            continue;
        }
        let found = LostRule {
            former: (old != path).then(|| inner.to_owned()),
            rule,
            revision: reviewed.branch.clone(),
        };
        lost.insert((*path).to_owned(), found);
    }
    Ok(lost)
}

fn place(rules: &Rules, path: &Path) -> Option<String> {
    let rule = rules.of(path).matching()?;
    Some(rule.rule.position.in_file(&rule.config.path))
}
