/// A pattern in which `*` stands for any text, and everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    /// The texts between the stars; one more than there are stars.
    pieces: Vec<String>,
}

impl Wildcard {
    pub(crate) fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(str::to_owned).collect() }
    }

    /// What every text that matches starts with.
    pub(super) fn start(&self) -> &str {
        self.pieces.first().map_or("", String::as_str)
    }

    /// What every text that matches ends with.
    pub(super) fn end(&self) -> &str {
        self.pieces.last().map_or("", String::as_str)
    }

    /// The pattern in lower case.
    pub(crate) fn lowercase(&self) -> Self {
        Self { pieces: self.pieces.iter().map(|piece| piece.to_lowercase()).collect() }
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return text.is_empty() };
        let Some((last, middle)) = rest.split_last() else { return text == first };
        let Some(mut text) = text.strip_prefix(first.as_str()) else { return false };
        // The leftmost place for each piece leaves the most room for the next, so no going back is needed.
        for piece in middle {
            let Some(at) = text.find(piece.as_str()) else { return false };
            text = &text[at + piece.len()..];
        }
        text.ends_with(last.as_str())
    }
}
