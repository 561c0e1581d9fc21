//! What the name of a file says of it: whether it is applied or decrypted, is a copy that
//! an editor or a merge has left, or is a text beside the files that a rule is for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::core::encrypted::Format;
use crate::core::rules::MatchedRule;

/// Endings of copies: of editors, of merges, and of `sops -d FILE > COPY`.
const COPIES: [&str; 18] = [
    "~",
    "#",
    ".bak",
    ".backup",
    ".bk",
    ".bkp",
    ".copy",
    ".dec",
    ".decrypted",
    ".old",
    ".orig",
    ".plain",
    ".plaintext",
    ".prev",
    ".rej",
    ".save",
    ".temp",
    ".tmp",
];
/// Endings of templates, which are filled in before anyone reads the result.
const TEMPLATES: [&str; 14] = [
    ".dist",
    ".erb",
    ".example",
    ".gotmpl",
    ".gotpl",
    ".j2",
    ".jinja",
    ".jinja2",
    ".mustache",
    ".sample",
    ".template",
    ".tftpl",
    ".tmpl",
    ".tpl",
];
/// Those of them that people fill in, by hand, and that nothing else is made of.
const EXAMPLES: [&str; 4] = [".dist", ".example", ".sample", ".template"];
/// Endings, and names, of what people read and of programs.
const TEXTS: [&str; 30] = [
    ".adoc",
    ".bash",
    ".css",
    ".fish",
    ".gitkeep",
    ".go",
    ".html",
    ".js",
    ".lock",
    ".md",
    ".markdown",
    ".mdx",
    ".nix",
    ".nu",
    ".ps1",
    ".pub",
    ".py",
    ".rb",
    ".rs",
    ".rst",
    ".sh",
    ".sum",
    ".tf",
    ".ts",
    ".zsh",
    "dockerfile",
    "justfile",
    "license",
    "makefile",
    "readme",
];

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// One that is applied, decrypted, or that a rule means.
    File(Format),
    /// A copy of such a one.
    Copy(Format),
    /// A template of such a one.
    Template(Format),
    /// Something else.
    Other,
}

impl Named {
    /// By its name alone.
    pub(super) fn of(path: &Path) -> Self {
        let own = Format::of(path);
        if own != Format::Binary {
            return Self::File(own);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_lowercase();
        if let Some(inner) = without(&name, &TEMPLATES) {
            return Self::Template(Format::of(Path::new(inner)));
        }
        let mut inner = name.as_str();
        while let Some(rest) = without_copy(inner) {
            inner = rest;
        }
        match Format::of(Path::new(inner)) {
            Format::Binary => Self::Other,
            // Also `S.YAML`, which sops takes for any file.
            format => Self::Copy(format),
        }
    }

    /// Whether its name says that it is an example.
    pub(super) fn is_example(path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        without(&name.to_lowercase(), &EXAMPLES).is_some()
    }

    /// What its rule may say of the values in it, if it says anything.
    pub(super) fn judged(path: &Path, rule: MatchedRule<'_>) -> Self {
        let named = Self::of(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match named {
            Self::Template(_) | Self::Other if rule.names_kind(path) => Self::File(Format::Binary),
            Self::Other
                if without(&name.to_lowercase(), &TEXTS).is_none()
                    && names_no_ending(path, rule) =>
            {
                Self::File(Format::Binary)
            }
            named => named,
        }
    }
}

/// Whether the rule is for the file whatever the ending of its name is.
fn names_no_ending(path: &Path, rule: MatchedRule<'_>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = name.len() - name.trim_start_matches('.').len();
    let stem = name[hidden..].split('.').next().unwrap_or_default();
    rule.is_for(&path.with_file_name(format!("{}{stem}", &name[..hidden])))
}

/// Words in the names of directories, and of files, for secrets.
const TELLING: [&str; 8] = [
    "secret", "sops", "cred", "passw", "token", "vault", "private", "encrypt",
];

/// Whether the rule speaks of the place of the file alone, and not of what it is: it is for
/// every path or every file of a directory whose name tells nothing, or its expression
/// matches in the middle of a word, as `config.yaml` does in `kustomizeconfig.yaml`.
pub(super) fn names_only_place(path: &Path, rule: MatchedRule<'_>) -> bool {
    if rule.is_for_all || rule.names_ending_alone(path) {
        return true;
    }
    if rule.names_file(path) {
        return is_within_word(path, rule);
    }
    let inner = path.strip_prefix(rule.base).unwrap_or(path);
    !inner.parent().is_some_and(tells_of_secrets) || is_near_sops_alone(inner, rule)
}

/// Whether a directory called after sops is all that tells of secrets in a path, and the rule
/// does not name it: what is for sops is not what sops encrypts.
fn is_near_sops_alone(inner: &Path, rule: MatchedRule<'_>) -> bool {
    const SOPS: &str = "sops";
    let other = |part: &OsStr| part.to_string_lossy().to_lowercase().replace(SOPS, "kb");
    let parent = inner.parent().unwrap_or(inner);
    let elsewhere: PathBuf = parent.iter().map(other).collect();
    let name = inner.file_name().unwrap_or_default();
    !tells_of_secrets(&elsewhere) && rule.is_for(&rule.base.join(elsewhere).join(name))
}

/// Whether it is the values file of a chart itself, which Helm reads as it is.
pub(super) fn is_of_chart(path: &Path) -> bool {
    let is_values = path.file_name().is_some_and(|name| name == "values.yaml");
    is_values && path.iter().any(|part| part == "charts")
}

/// Whether the rule names the file by what it is called alone, in whatever directory, and
/// it lies deeper: `config.yaml` also means `apps/a/config.yaml`, to sops. No word of its
/// path tells of secrets.
pub(super) fn names_common_file(path: &Path, rule: MatchedRule<'_>) -> bool {
    let inner = path.strip_prefix(rule.base).unwrap_or(path);
    let elsewhere = path
        .file_name()
        .map(|name| rule.base.join("kb-other").join(name));
    inner.components().count() > 1
        && !tells_of_secrets(inner)
        && elsewhere.is_some_and(|path| rule.is_for(&path))
}

/// Whether the name of the file itself tells of secrets, as in `db.sops.yaml`.
pub(super) fn is_called_for_secrets(path: &Path) -> bool {
    path.file_name()
        .map(Path::new)
        .is_some_and(tells_of_secrets)
}

fn tells_of_secrets(path: &Path) -> bool {
    let text = path.to_string_lossy().to_lowercase();
    let text = text.replace("letsencrypt", "");
    TELLING.iter().any(|word| text.contains(word))
}

/// One character of each kind that expressions for parts of names have, and a few more.
const OTHERS: [char; 8] = ['a', 'q', 'x', 'z', 'Q', 'X', '0', '7'];

/// Whether the shortest end of the file's name that the rule is for begins within a word,
/// and no word of its path tells of secrets.
pub(super) fn is_within_word(path: &Path, rule: MatchedRule<'_>) -> bool {
    let inner = path.strip_prefix(rule.base).unwrap_or(path);
    if tells_of_secrets(inner) || !rule.names_file(path) {
        return false;
    }
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return false;
    };
    let mut ends = name.char_indices().rev();
    let shortest = ends.find(|(at, _)| rule.is_for(&path.with_file_name(&name[*at..])));
    shortest.is_some_and(|(at, first)| {
        let before = name[..at].chars().next_back();
        let rest = &name[at + first.len_utf8()..];
        // `[a-z]+\.prod` and `.+\.prod` are for whole words.
        let is_any =
            |c: &char| *c != first && rule.is_for(&path.with_file_name(format!("{c}{rest}")));
        first.is_alphanumeric()
            && before.is_some_and(char::is_alphanumeric)
            && !OTHERS.iter().any(is_any)
    })
}

/// A name without one of these endings.
fn without<'n>(name: &'n str, endings: &[&str]) -> Option<&'n str> {
    let mut endings = endings.iter();
    endings.find_map(|ending| name.strip_suffix(ending))
}

/// The name of what a copy is of.
fn without_copy(name: &str) -> Option<&str> {
    let hidden = || {
        let (inner, random) = name.rsplit_once(".kb-tmp-")?;
        (random.len() == 8).then(|| inner.trim_start_matches('.'))
    };
    let numbered = || {
        let inner = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let inner = inner.strip_suffix(['.', '_', '-']).unwrap_or(inner);
        (inner.len() < name.len()).then_some(inner)
    };
    without(name, &COPIES).or_else(hidden).or_else(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_what_it_is_a_copy_of() {
        for name in [
            "s.yaml~",
            "s.yaml.bak",
            "s.yaml.orig",
            "s.yaml.dec",
            "s.yaml1",
            "s.yaml.1",
            "S.YAML",
            "#s.yaml#",
            "s.yml.orig.bak",
            ".s.yaml.kb-tmp-AbCd1234",
        ] {
            assert_eq!(
                Named::of(Path::new(name)),
                Named::Copy(Format::Yaml),
                "{name}"
            );
        }
        for (name, named) in [
            ("s.yaml", Named::File(Format::Yaml)),
            (".env", Named::File(Format::Dotenv)),
            ("s.env.old", Named::Copy(Format::Dotenv)),
            ("s.sops.yaml.j2", Named::Template(Format::Yaml)),
            ("s.txt", Named::Other),
            ("s.yaml.disable", Named::Other),
            ("s", Named::Other),
        ] {
            assert_eq!(Named::of(Path::new(name)), named, "{name}");
        }
    }
}
