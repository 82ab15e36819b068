//! The characters of a policy, for the parser.
//!
//! The library's own input is made for speed: it copies the decoding of UTF-8 to wherever the parser looks at a
//! character. This one decodes in one place, which makes the guests 3 kB smaller; a policy is read once.

use std::str::Chars;

use saphyr_parser::Input;
use saphyr_parser::input::is_breakz;

/// What is left of a text. Behind its end the parser sees NULs.
pub(super) struct Letters<'a>(Chars<'a>);

impl<'a> Letters<'a> {
    pub fn new(text: &'a str) -> Self {
        Self(text.chars())
    }
}

impl Input for Letters<'_> {
    /// All of the text is there at any time.
    fn lookahead(&mut self, _: usize) {}

    fn buflen(&self) -> usize {
        usize::MAX
    }

    /// How much room the parser makes at a time for the text of a value, in characters.
    fn bufmaxlen(&self) -> usize {
        32
    }

    fn raw_read_ch(&mut self) -> char {
        self.0.next().unwrap_or('\0')
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let letter = Some(self.peek()).filter(|&letter| !is_breakz(letter) && letter != '\u{feff}');
        letter.inspect(|_| self.skip())
    }

    #[inline(never)]
    fn skip(&mut self) {
        self.0.next();
    }

    fn skip_n(&mut self, count: usize) {
        (0..count).for_each(|_| self.skip());
    }

    #[inline(never)]
    fn peek(&self) -> char {
        self.peek_nth(0)
    }

    #[inline(never)]
    fn peek_nth(&self, n: usize) -> char {
        let mut rest = self.0.clone();
        for _ in 0..n {
            rest.next();
        }
        rest.next().unwrap_or('\0')
    }

    fn peek_opt(&self) -> Option<char> {
        self.0.clone().next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr_parser::Parser;

    use super::*;

    proptest! {
        #[test]
        fn the_parser_sees_what_it_sees_by_its_own_input(
            text in "([a-z]{1,3}|key: |- |\\? |\\[|\\]|\\{|\\}|, |: |\n|  |&a |\\*a|'|\"|\\\\n|#| #|\\|\n|>-\n|\\|2\n|!|!!b |%YAML 1.2\n|---\n|\\.\\.\\.\n|\t|~|\r|1|é|\u{feff}| {40}){0,40}"
        ) {
            // Behind an error there is no end of further ones.
            let own: Result<Vec<_>, _> = Parser::new_from_str(&text).collect();
            let ours: Result<Vec<_>, _> = Parser::new(Letters::new(&text)).collect();
            prop_assert_eq!(own, ours);
        }
    }
}
