//! Which files there are, and their content: those of the working tree, or those of
//! the index, which are what a commit would take.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::content::Content;
use super::keys::KeyFinder;
use super::rules::Rules;
use super::{Audit, AuditError, Examined};
use crate::core::git::{BlobError, Entry, Git, Staged, Which};
use crate::core::parallel;
use crate::core::replace::is_temporary;
use crate::core::repository::{self, FoundConfig};
use crate::core::sops_config::{ConfigError, FILE_NAME, SopsConfig};

/// Of a file that is larger, in bytes, only so much is looked at: nobody encrypts such
/// a file with sops, which holds it in memory several times.
const LARGEST: u64 = 256 << 20;
/// So many files of the index one git is asked for at least: to start one more costs
/// as much as a few hundred files.
const FEWEST_BLOBS: usize = 500;

/// What is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What must not be committed.
    Leaks,
    /// Who can open the encrypted files, as well.
    All,
}

/// Looks at files of the working tree. `paths`: these, and what is below them; without
/// any, all of the repository at `root`. `git` tells which files there are; without it,
/// all count. `named`: the config that was named.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Missing`]
pub fn working_tree(
    depth: Depth,
    root: &Path,
    git: Option<&Git>,
    paths: &[PathBuf],
    skip: &[PathBuf],
    named: Option<&FoundConfig>,
) -> Result<Audit, AuditError> {
    let mut files = files_of(root, git, paths)?;
    files.retain(|path| !is_skipped(path, skip));
    let named = named.map(|named| as_from(root, named));
    let rules = rules(&files, named, read_config);
    let looker = Looker::new(&rules, depth);
    let looked = parallel::map(&files, |path| looker.look_at_file(path));
    let mut unread = Vec::new();
    let mut found = Vec::new();
    for (path, result) in files.iter().zip(looked) {
        match result {
            Ok(file) => found.extend(file),
            // What went away meanwhile is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unread.push((path.clone(), error)),
        }
    }
    Ok(Audit {
        rules,
        files: found,
        paths: files,
        unread,
    })
}

/// Looks at what would be committed: the files whose content in the index is another
/// than in the last commit; all of the index, if a `.sops.yaml` is among them. The
/// rules are those of the index as well; those of the working tree only where the index
/// has no `.sops.yaml` at all, because it was not added yet.
///
/// # Errors
/// [`AuditError::Git`], [`AuditError::Blob`]
pub fn index(
    git: &Git,
    skip: &[PathBuf],
    named: Option<&FoundConfig>,
) -> Result<Audit, AuditError> {
    let root = git.root();
    let is_config = |path: &Path| path.file_name().is_some_and(|name| name == FILE_NAME);
    let Staged {
        mut entries,
        removed,
    } = git.staged()?;
    let changed = entries.iter().map(|entry| &entry.path).chain(&removed);
    if changed.into_iter().any(|path| is_config(path)) {
        entries = git.index(&[Which::All])?;
    }
    entries.retain(|entry| !entry.is_link && !is_skipped(&root.join(&entry.path), skip));
    let paths: Vec<PathBuf> = entries.iter().map(|entry| root.join(&entry.path)).collect();
    let named = named.map(|named| as_from(root, named));
    let mut configs = configs(git, named.as_ref())?;
    let has_configs = !configs.is_empty();
    let rules = rules(&paths, named, |path| match configs.remove(path) {
        Some(Some(bytes)) => Some(SopsConfig::from_bytes(path, bytes)),
        // What a link leads to may be anywhere.
        Some(None) => read_config(path),
        // Above the repository there is no index.
        None if path.starts_with(root) && has_configs => None,
        None => read_config(path),
    });
    let workers = (entries.len() / FEWEST_BLOBS + 1).min(parallel::cores());
    let parts: Vec<&[Entry]> = entries
        .chunks(entries.len().div_ceil(workers).max(1))
        .collect();
    let looker = Looker::new(&rules, Depth::Leaks);
    let looked = parallel::map(&parts, |part| {
        let mut found = Vec::new();
        git.contents(part, |path, size, content| {
            found.extend(looker.look_at(&root.join(path), size, content)?);
            Ok(())
        })?;
        Ok::<_, BlobError>(found)
    });
    let looked: Result<Vec<_>, _> = looked.into_iter().collect();
    Ok(Audit {
        files: looked?.into_iter().flatten().collect(),
        rules,
        paths,
        unread: Vec::new(),
    })
}

/// The configs of the index, by their absolute paths; `None` for one that is a link.
fn configs(
    git: &Git,
    named: Option<&FoundConfig>,
) -> Result<HashMap<PathBuf, Option<Vec<u8>>>, AuditError> {
    let root = git.root();
    let mut which = vec![Which::Called(FILE_NAME)];
    let named = named.and_then(|named| named.path.strip_prefix(root).ok());
    which.extend(named.map(Which::Below));
    let (links, files): (Vec<Entry>, Vec<Entry>) = git
        .index(&which)?
        .into_iter()
        .partition(|entry| entry.is_link);
    let links = links.into_iter().map(|entry| (root.join(entry.path), None));
    let mut configs: HashMap<PathBuf, Option<Vec<u8>>> = links.collect();
    git.contents(&files, |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        configs.insert(root.join(path), Some(bytes));
        Ok(())
    })?;
    Ok(configs)
}

/// A config that was named, as a walk from the root comes to it: so are the files that
/// its rules are for.
fn as_from(root: &Path, named: &FoundConfig) -> FoundConfig {
    let path = repository::below(&[root.to_owned()], &named.path);
    match path {
        Some(path) => FoundConfig {
            base: path.parent().unwrap_or(root).to_owned(),
            path,
            must_be_named: true,
        },
        None => named.clone(),
    }
}

fn is_skipped(path: &Path, skip: &[PathBuf]) -> bool {
    skip.iter().any(|skip| path.starts_with(skip))
}

/// The files, absolute and ordered.
fn files_of(root: &Path, git: Option<&Git>, paths: &[PathBuf]) -> Result<Vec<PathBuf>, AuditError> {
    let mut files = BTreeSet::new();
    let mut directories = Vec::new();
    for path in paths {
        let kind = path.symlink_metadata().map(|it| it.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => directories.push(path.clone()),
            Ok(kind) if kind.is_symlink() && path.is_dir() => {
                directories.extend(path.canonicalize());
            }
            // What was named is looked at, ignored or not.
            Ok(_) => drop(files.insert(path.clone())),
            Err(_) => return Err(AuditError::Missing { path: path.clone() }),
        }
    }
    if paths.is_empty() {
        directories.push(root.to_owned());
    }
    for directory in directories {
        let inner = directory.strip_prefix(root);
        let listed = match (git, inner) {
            (Some(git), Ok(inner)) => {
                let below = [inner.to_owned()];
                let is_root = inner.as_os_str().is_empty();
                git.working_tree(if is_root { &[] } else { &below })?
            }
            _ => Vec::new(),
        };
        let listed: Vec<PathBuf> = listed.into_iter().map(|path| root.join(path)).collect();
        // One that Git knows nothing of was named all the same.
        if !listed.iter().any(|path| is_file(path)) {
            walk(&directory, &mut files);
        }
        files.extend(listed);
    }
    // kb's own are of a run that lives or was killed.
    files.retain(|path| !path.file_name().is_some_and(is_temporary) && is_file(path));
    Ok(files.into_iter().collect())
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|it| it.is_file())
}

/// All files below the directory, without other people's repositories in it.
fn walk(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    let top = directory.to_owned();
    let walk = WalkBuilder::new(directory)
        .standard_filters(false)
        .filter_entry(move |entry| {
            entry.file_name() != ".git"
                && (entry.path() == top || !entry.path().join(".git").exists())
        })
        .build();
    files.extend(walk.flatten().map(ignore::DirEntry::into_path));
}

fn read_config(path: &Path) -> Option<Result<SopsConfig, ConfigError>> {
    let is_there = path.symlink_metadata().is_ok();
    is_there.then(|| SopsConfig::load_or_empty(path))
}

/// The rules of the files; `load` reads the config at a path.
fn rules(
    files: &[PathBuf],
    named: Option<FoundConfig>,
    mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
) -> Rules {
    if let Some(named) = named {
        // One that is not there is an error of its own.
        let config = load(&named.path).unwrap_or_else(|| SopsConfig::load(&named.path));
        return Rules::named(config, named.base);
    }
    let directories: BTreeSet<&Path> = files.iter().filter_map(|path| path.parent()).collect();
    Rules::of_directories(directories, |directory| load(&directory.join(FILE_NAME)))
}

/// What looks at a file.
struct Looker<'r> {
    rules: &'r Rules,
    depth: Depth,
    keys: KeyFinder,
}

impl<'r> Looker<'r> {
    fn new(rules: &'r Rules, depth: Depth) -> Self {
        Self {
            rules,
            depth,
            keys: KeyFinder::new(),
        }
    }

    fn look_at_file(&self, path: &Path) -> io::Result<Option<Examined>> {
        let mut file = File::open(path)?;
        self.look_at(path, file.metadata()?.len(), &mut file)
    }

    /// `None` if the file is of no interest.
    fn look_at(
        &self,
        path: &Path,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Examined>> {
        let mut bytes = Vec::new();
        content.take(LARGEST).read_to_end(&mut bytes)?;
        let look = match self.depth {
            Depth::Leaks => Content::leaks_of,
            Depth::All => Content::of,
        };
        let content = look(path, &bytes, self.rules.of(path));
        let private_key = self.keys.line_of_key(&bytes);
        let is_of_interest = private_key.is_some() || !matches!(content, Content::Other);
        Ok(is_of_interest.then(|| Examined {
            path: path.to_owned(),
            size,
            private_key,
            content,
        }))
    }
}
