//! `.sops.yaml`: which recipients a path's files get.
//!
//! People write this file by hand, so kb changes it as they would: outside the
//! value that changes, every byte stays. `raw` reads the file into the `model`,
//! and `syntax` says what is wrong in it; [`choose()`] decides which rule a key
//! belongs to, by what `routing` finds out about the rules before it on the
//! automata of `path_regex`; `edit` splices the text by the byte ranges of
//! `document`.
//!
//! serde-saphyr reads, and granit-parser, the parser inside it, gives the byte
//! positions for the edit: one parser for both, exact for byte order marks, CRLF
//! and comments. Measured on generated configurations, others were not:
//! yaml_serde, which goes on from the archived serde_yaml, fails on merge keys
//! beside unknown fields and on byte order marks; yaml-edit puts a new rule
//! between a rule and its comment; yamlpatch joins values with comments and mixes
//! line endings; saphyr-parser's ranges run into comments. After an edit the new
//! text is read again, and only the intended difference may be there.
//!
//! Format: sops 3.13, `config/config.go`.

mod choose;
mod config;
mod document;
mod edit;
mod model;
mod path_regex;
mod raw;
mod routing;
mod selection;
mod syntax;

pub use choose::{Choice, NoPlace, Target, choose};
pub use config::{DEFAULT_PATH_REGEX, FILE_NAME, SopsConfig, check_form};
pub use edit::{EditError, Place};
pub use model::{ConfigError, CreationRule, KeyText, Position, RulePaths, RuleSummary};
pub use path_regex::{PathRegex, Paths, RegexError};
pub use routing::RuleWarning;
pub use selection::Selection;
