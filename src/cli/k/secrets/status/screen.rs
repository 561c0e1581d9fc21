//! What was found, for people.

use super::Report;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::k::secrets::finding::Finding;

/// Of so many problems of a kind each is named; of more, the number.
const SHOWN: usize = 5;

/// Prints it.
pub(super) fn print(report: &Report<'_>, context: &Context) -> Result<(), Failure> {
    let mut lines = Lines {
        text: String::new(),
        context,
    };
    let is_quiet = context.common.quiet;
    for section in &report.sections {
        if is_quiet && section.problems.is_empty() {
            continue;
        }
        lines.heading(section.name);
        for fact in section.facts.iter().filter(|_| !is_quiet) {
            lines.line("  ", fact);
        }
        lines.problems("problem:", &section.problems);
    }
    if !report.unseen.is_empty() {
        lines.heading("Not looked at");
        lines.problems("", &report.unseen);
    }
    if !is_quiet {
        for remark in &report.remarks {
            lines.line("", &format!("note: {remark}"));
        }
        lines.line("", &conclusion(report));
    }
    let written = context
        .stdout
        .write_styled(&lines.text, context.common.color);
    written.map_err(|error| Failure::stdout("what was found", &error))
}

fn conclusion(report: &Report<'_>) -> String {
    match (report.problems(), report.unseen.len()) {
        (0, 0) => "All is in line.".to_owned(),
        (0, _) => "No problem was found in what could be looked at.".to_owned(),
        (1, _) => "1 problem was found.".to_owned(),
        (count, _) => format!("{count} problems were found."),
    }
}

/// The screen as it grows.
struct Lines<'c> {
    text: String,
    context: &'c Context,
}

impl Lines<'_> {
    fn heading(&mut self, name: &str) {
        let bold = clap::builder::styling::Style::new().bold();
        self.text.push_str(&format!("{bold}{name}{bold:#}\n"));
    }

    /// What stands in the text may come from anywhere.
    fn line(&mut self, indent: &str, text: &str) {
        let text = self.context.report.safe_and_short(text);
        self.text.push_str(&format!("{indent}{text}\n"));
    }

    fn problems(&mut self, label: &str, problems: &[Finding]) {
        let mut kinds: Vec<&str> = Vec::new();
        for kind in problems.iter().map(|finding| finding.kind) {
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
            let of_kind: Vec<&Finding> = problems
                .iter()
                .filter(|finding| finding.kind == kind)
                .collect();
            for finding in of_kind.iter().take(SHOWN) {
                self.problem(label, finding);
            }
            if of_kind.len() > SHOWN {
                let more = of_kind.len() - SHOWN;
                self.line(
                    "  ",
                    &format!("and {more} more of that kind (-o json names all)"),
                );
            }
        }
    }

    fn problem(&mut self, label: &str, finding: &Finding) {
        let words = match finding.subject.is_empty() {
            true => finding.words.clone(),
            false => format!("{}: {}", finding.subject, finding.words),
        };
        let red = clap::builder::styling::AnsiColor::Red.on_default().bold();
        let cyan = clap::builder::styling::AnsiColor::Cyan.on_default().bold();
        let label = match label.is_empty() {
            true => String::new(),
            false => format!("{red}{label}{red:#} "),
        };
        self.line(&format!("  {label}"), &words);
        for hint in &finding.hints {
            let hint = self.context.report.hint_text(hint);
            self.line(&format!("    {cyan}hint:{cyan:#} "), &hint);
        }
    }
}
