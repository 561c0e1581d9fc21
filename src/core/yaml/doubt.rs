//! What makes a reading uncertain.

/// Something in a text that other readers of YAML may see otherwise, or that hides what
/// stands there from a search of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Doubt {
    /// A character that YAML does not allow, or a byte order mark inside the text.
    Character = 1,
    /// A line end of YAML 1.1 (U+0085, U+2028, U+2029), or a bare carriage return: for
    /// go-yaml a comment ends there.
    LineEnd = 1 << 1,
    /// A tab before a line's first word, inside a scalar or a flow collection.
    Tab = 1 << 2,
    /// The same in the indentation of block collections, where go-yaml takes none.
    IndentingTab = 1 << 3,
    /// `%YAML` or `%TAG`.
    Directive = 1 << 4,
    /// A line that begins with `...`.
    EndMarker = 1 << 5,
    /// An escape that only JSON has: `\/`, or half of a character of two.
    JsonEscape = 1 << 6,
    /// An anchor or an alias.
    Anchor = 1 << 7,
    /// A merge key, `<<`.
    Merge = 1 << 8,
    /// A tag other than go-yaml's `!!float`.
    Tag = 1 << 9,
    /// A key that stands twice in a mapping.
    DuplicateKey = 1 << 10,
    /// A key that is not a text.
    OddKey = 1 << 11,
    /// A flow collection with something in it.
    Flow = 1 << 12,
    /// A block collection: JSON has none.
    Block = 1 << 13,
    /// A comment: JSON has none.
    Comment = 1 << 14,
}

/// A set of doubts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts(u16);

impl Doubts {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    pub fn has(self, doubt: Doubt) -> bool {
        self.0 & doubt as u16 != 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All but these.
    #[must_use]
    pub fn without(self, doubts: &[Doubt]) -> Self {
        let dropped = doubts.iter().fold(0, |all, doubt| all | *doubt as u16);
        Self(self.0 & !dropped)
    }

    /// Whether go-yaml may see other nodes than kb does: what is a comment or the inside
    /// of a scalar to one may be a key to the other.
    pub fn may_split_readers(self) -> bool {
        const SPLITTING: [Doubt; 6] = [
            Doubt::Character,
            Doubt::LineEnd,
            Doubt::IndentingTab,
            Doubt::Directive,
            Doubt::EndMarker,
            Doubt::JsonEscape,
        ];
        SPLITTING.iter().any(|doubt| self.has(*doubt))
    }

    pub(super) fn add(&mut self, doubt: Doubt) {
        self.0 |= doubt as u16;
    }

    /// Those that the text itself raises. `takes_tab`: whether the byte lies inside a
    /// scalar or a flow collection.
    pub(super) fn of_text(text: &str, takes_tab: impl Fn(usize) -> bool) -> Self {
        let mut doubts = Self::default();
        let mut previous = None;
        // Most texts are ASCII, which is faster to look through by bytes.
        let is_usual = |byte: u8| matches!(byte, b'\t' | b'\n' | b' '..=b'~');
        let unusual = if text.bytes().all(is_usual) { "" } else { text };
        for (at, char) in unusual.char_indices() {
            match char {
                '\n' if previous == Some('\r') => {}
                _ if previous == Some('\r') => doubts.add(Doubt::LineEnd),
                _ => {}
            }
            match char {
                '\u{85}' | '\u{2028}' | '\u{2029}' => doubts.add(Doubt::LineEnd),
                '\u{feff}' if at == 0 => {}
                '\t'
                | '\n'
                | '\r'
                | ' '..='~'
                | '\u{a0}'..='\u{fefe}'
                | '\u{ff00}'..='\u{fffd}' => {}
                '\u{10000}'.. => {}
                _ => doubts.add(Doubt::Character),
            }
            previous = Some(char);
        }
        if previous == Some('\r') {
            doubts.add(Doubt::LineEnd);
        }
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if line.starts_with("...") {
                doubts.add(Doubt::EndMarker);
            }
            if line.starts_with('%') {
                doubts.add(Doubt::Directive);
            }
            let rest = line.trim_start_matches([' ', '-']);
            if rest.starts_with('\t') {
                let inside = takes_tab(start + line.len() - rest.len());
                doubts.add(if inside {
                    Doubt::Tab
                } else {
                    Doubt::IndentingTab
                });
            }
            start += line.len();
        }
        doubts
    }
}
