//! What a scalar without quotes stands for, as go-yaml 3 resolves it (`resolve.go`).

/// What a plain scalar stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// Nothing.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// A time, as RFC 3339 writes it.
    Time(String),
    /// A number or a time that kb does not read for certain: another base, groups of
    /// digits, infinity, more than 64 bits.
    Unclear,
    /// A text.
    Text,
}

impl Resolved {
    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }
}

/// Resolves a plain scalar.
pub fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Boolean(true),
        "false" | "False" | "FALSE" => Resolved::Boolean(false),
        number if number.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            numeric(number)
        }
        _ => Resolved::Text,
    }
}

/// The value of one of the words that are truth values in YAML 1.1, as kubectl reads it
/// (go-yaml 2, `resolve.go`), and texts in YAML 1.2, as sops does: `yes` without quotes.
pub fn old_boolean(plain: &str) -> Option<bool> {
    match plain {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Whether it is infinite or not a number, as go-yaml spells it.
pub fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// What begins like a number.
fn numeric(text: &str) -> Resolved {
    let only = |allowed: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || allowed.contains(c))
    };
    let digits = text.trim_start_matches(['+', '-']);
    let other_base = ["0x", "0X", "0o", "0O", "0b", "0B"];
    let is_word = [".inf", ".nan"].contains(&&*digits.to_ascii_lowercase());
    let is_octal = digits.starts_with('0') && digits.len() > 1 && only("+-_");
    let year = text.bytes().take_while(u8::is_ascii_digit).count();
    if year == 4 && text[year..].starts_with('-') && only("-+: tTzZ.") {
        return time(text).map_or(Resolved::Unclear, Resolved::Time);
    }
    let is_grouped = text.contains('_') && only("+-._eE");
    let has_base = other_base.iter().any(|base| digits.starts_with(base));
    if is_word || is_octal || is_grouped || has_base {
        return Resolved::Unclear;
    }
    match text.parse::<i64>() {
        Ok(integer) => Resolved::Integer(integer),
        // Larger than sops takes.
        Err(_) if !digits.is_empty() && only("+-") => Resolved::Unclear,
        Err(_) if only("+-.eE") => float(text).map_or(Resolved::Text, Resolved::Float),
        Err(_) => Resolved::Text,
    }
}

/// A finite number.
pub fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(number)
}

/// A time, or the start of a day.
fn time(text: &str) -> Option<String> {
    let is_day = text.len() == "2026-11-22".len();
    let time = format!("{text}{}", if is_day { "T00:00:00Z" } else { "" });
    is_time(&time, true).then_some(time)
}

/// Whether it is a time as Go writes it (RFC 3339), with a fraction of a second or
/// without.
pub fn is_time(text: &str, with_fraction: bool) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let zone = rest.trim_start_matches(['.', '0']);
    let fraction = &rest[..rest.len() - zone.len()];
    let is_fraction = fraction.starts_with('.')
        && (2..=10).contains(&fraction.len())
        && !fraction[1..].contains('.')
        && !text[..text.len() - zone.len()].ends_with('0');
    // Go has no leap seconds, and writes Z for no offset.
    (fraction.is_empty() || with_fraction && is_fraction)
        && matches!(zone, "Z" | "+00:00" | "-00:00")
        && !text.ends_with("+00:00")
        && !text.ends_with("-00:00")
        && &text[17..19] != "60"
        && (zone == "Z" || text[text.len() - 5..] < *"24:00" && text[text.len() - 2..] < *"60")
        && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_go_writes_is_a_time() {
        for (text, plain, with_fraction) in [
            ("2026-11-22T10:00:00Z", true, true),
            ("2026-11-22T10:00:00+01:30", true, true),
            ("2026-11-22T10:00:00.5Z", false, true),
            ("2026-11-22T10:00:00.123456789-07:00", false, true),
            ("2026-11-22T10:00:00.50Z", false, false),
            ("2026-11-22T10:00:00.Z", false, false),
            ("2026-11-22T10:00:00.1.2Z", false, false),
            ("2026-11-22T10:00:00+00:00", false, false),
            ("2026-11-22T10:00:00+24:00", false, false),
            ("2026-11-22T10:00:00+01:60", false, false),
            ("2026-11-22T10:00:60Z", false, false),
            ("2026-11-22 10:00:00Z", false, false),
            ("2026-11-22t10:00:00z", false, false),
            ("2026-11-22T10:00:00+01", false, false),
            ("2026-13-22T10:00:00Z", false, false),
            ("2026-11-22T10:00:00Zé", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_time(text, false), plain, "{text}");
            assert_eq!(is_time(text, true), with_fraction, "{text}");
        }
    }
}
