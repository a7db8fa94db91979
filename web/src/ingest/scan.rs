//! Where a JSON object or list ends, found without reading what is in it.
//!
//! Sixty-four octets at a time become masks of one bit each (quotes, backslashes, brackets), so that the many short
//! strings of a record cost no branch each. The idea is Langdale and Lemire's, "Parsing Gigabytes of JSON per Second"
//! (VLDB 2019, §3.1); the masks are made in 64-bit words, which every processor has.

/// Octets looked at together.
const BLOCK: usize = 64;
/// A one in each octet.
const ONES: u64 = u64::MAX / 0xff;
/// All but the highest bit of each octet.
const LOW: u64 = ONES * 0x7f;
/// With these bits set, all four brackets are 0x7f; so are `Y`, `_`, `y` and 0x7f, which stand in strings only.
const BRACKET: u64 = ONES * 0x26;

/// Goes through one value that begins with `{` or `[`, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// A line feed within a string ends the value: in lines of JSON it belongs to a line that was cut.
    lines: bool,
    depth: u32,
    in_string: bool,
    /// The first octet of the next piece is escaped.
    escaped: bool,
    not_ascii: bool,
}

/// Where a piece ends the value: the octets up to and with its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With the bracket that closes it.
    Closed(usize),
    /// With a line feed within a string.
    Broken(usize),
}

impl Scan {
    pub(super) fn new(lines: bool) -> Self {
        Self { lines, ..Self::default() }
    }

    /// True when there were octets outside ASCII: only then the text can be anything but UTF-8.
    pub(super) const fn not_ascii(&self) -> bool {
        self.not_ascii
    }

    /// Goes through `piece`, which follows on the one before. `None`: the value goes on.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Option<End> {
        let (blocks, rest) = piece.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            if let Some(end) = self.block(block, BLOCK) {
                return Some(end.later(number * BLOCK));
            }
        }
        if rest.is_empty() {
            return None;
        }
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        self.block(&last, rest.len()).map(|end| end.later(blocks.len() * BLOCK))
    }

    /// Looks at the first `length` octets of a block; behind them are spaces.
    fn block(&mut self, block: &[u8; BLOCK], length: usize) -> Option<End> {
        let masks = Masks::of(block, self.lines);
        self.not_ascii |= masks.not_ascii;
        let escaped = self.escaped_in(masks.backslashes, length);
        let quotes = masks.quotes & !escaped;
        let strings = running_parity(quotes) ^ u64::from(self.in_string).wrapping_neg();
        self.in_string = strings >> (BLOCK - 1) == 1;
        let broken = (masks.feeds & strings).trailing_zeros();
        let mut brackets = masks.brackets & !strings;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            if at > broken {
                break;
            }
            match block.get(at as usize) {
                Some(b'{' | b'[') => self.depth += 1,
                Some(b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(End::Closed(at as usize + 1));
                    }
                }
                _ => (),
            }
            brackets &= brackets - 1;
        }
        ((broken as usize) < BLOCK).then_some(End::Broken(broken as usize + 1))
    }

    /// The octets that a backslash stands before.
    fn escaped_in(&mut self, backslashes: u64, length: usize) -> u64 {
        let mut escaped = u64::from(std::mem::take(&mut self.escaped));
        let mut left = backslashes & !escaped;
        while left != 0 {
            let next = left.trailing_zeros() + 1;
            if next as usize == length {
                self.escaped = true;
                break;
            }
            escaped |= 1 << next;
            left &= !(1 << next);
            left &= left - 1;
        }
        escaped
    }
}

impl End {
    const fn later(self, by: usize) -> Self {
        match self {
            Self::Closed(at) => Self::Closed(at + by),
            Self::Broken(at) => Self::Broken(at + by),
        }
    }
}

/// One bit for each octet of a block.
#[derive(Default)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    /// Octets that may be brackets.
    brackets: u64,
    feeds: u64,
    not_ascii: bool,
}

impl Masks {
    fn of(block: &[u8; BLOCK], lines: bool) -> Self {
        let mut masks = Self::default();
        let (mut all, mut backslashes, mut brackets) = (0, 0, 0);
        let words = block.as_chunks::<8>().0;
        for (number, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            masks.quotes |= gather(zeros(word ^ (ONES * b'"' as u64))) << (8 * number);
            backslashes |= backslash(word);
            brackets |= bracket(word);
            all |= word;
        }
        masks.not_ascii = all & !LOW != 0;
        // Most blocks have none: for them it is enough to know that.
        if backslashes != 0 {
            masks.backslashes = mask(words, backslash);
        }
        if brackets != 0 {
            masks.brackets = mask(words, bracket);
        }
        if lines {
            masks.feeds = mask(words, |word| zeros(word ^ (ONES * b'\n' as u64)));
        }
        masks
    }
}

fn mask(words: &[[u8; 8]], found: impl Fn(u64) -> u64) -> u64 {
    let words = words.iter().enumerate();
    words.fold(0, |mask, (number, word)| mask | gather(found(u64::from_le_bytes(*word))) << (8 * number))
}

const fn backslash(word: u64) -> u64 {
    zeros(word ^ (ONES * b'\\' as u64))
}

const fn bracket(word: u64) -> u64 {
    zeros(!(word | BRACKET) & LOW | word & !LOW)
}

/// The highest bit of each octet that is zero; nothing is carried from one octet into the next.
const fn zeros(word: u64) -> u64 {
    !(((word & LOW) + LOW) | word | LOW)
}

/// The highest bits of the octets of `flags`, side by side.
const fn gather(flags: u64) -> u64 {
    /// Brings the lowest bit of each octet into the highest octet.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    (flags >> 7).wrapping_mul(TOGETHER) >> 56
}

/// Each bit is the parity of the bits up to and with it: from an opening quote to before its closing one it is set.
const fn running_parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{End, Scan};

    /// Octet by octet.
    fn plain(text: &[u8], lines: bool) -> Option<End> {
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        for (at, &octet) in text.iter().enumerate() {
            let was_escaped = escaped;
            escaped = !was_escaped && octet == b'\\';
            match octet {
                b'"' if !was_escaped => in_string = !in_string,
                b'\n' if in_string && lines => return Some(End::Broken(at + 1)),
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(End::Closed(at + 1));
                    }
                }
                _ => (),
            }
        }
        None
    }

    fn pieces(text: &[u8], size: usize, lines: bool) -> Option<End> {
        let mut scan = Scan::new(lines);
        text.chunks(size).enumerate().find_map(|(n, piece)| scan.feed(piece).map(|end| end.later(n * size)))
    }

    proptest! {
        #[test]
        fn the_end_is_where_a_plain_walk_finds_it_however_the_text_is_cut(
            text in prop::collection::vec(prop::sample::select(&b"{}[]\"\\ax \n,:\xc3"[..]), 0..400),
            size in 1_usize..200,
            lines: bool,
        ) {
            let text = [&b"{"[..], &text].concat();
            prop_assert_eq!(pieces(&text, size, lines), plain(&text, lines));
        }
    }

    #[test]
    fn brackets_and_quotes_within_strings_do_not_count() {
        let text = br#"{"a":"}]\"{","b":[{"c":"\\"},[]],"d":{}} {"#;
        assert_eq!(pieces(text, text.len(), false), Some(End::Closed(text.len() - 2)));
        assert_eq!(pieces(br#"{"a":"\\\""#, 3, false), None);
    }

    #[test]
    fn octets_outside_ascii_are_noticed() {
        for (text, found) in [("{\"a\":\"é\"}", true), ("{\"a\":\"e\"}", false)] {
            let mut scan = Scan::new(false);
            scan.feed(text.as_bytes());
            assert_eq!(scan.not_ascii(), found);
        }
    }
}
