//! Numbers as people and JSON read them, and two functions of them.
//!
//! The library does all of this to the last digit, by way of tables and of arithmetic in many words: what is here makes
//! the guests 22 kB smaller, and the same on every host.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

/// Appends a number with at most three decimals: more would be noise. JSON has no NaN and no infinity; such a number is
/// written as `null`.
pub fn write(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
        return;
    }
    // A cast saturates; no number here comes near the ends of an i64.
    let thousandths = (number * 1000.0).round() as i64;
    if thousandths < 0 {
        out.push(b'-');
    }
    let (whole, decimals) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    write_digits(whole, out);
    if decimals > 0 {
        let digits = [decimals / 100, decimals / 10 % 10, decimals % 10].map(|digit| b'0' + digit as u8);
        out.push(b'.');
        out.extend_from_slice(&digits);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Appends a whole number.
pub fn write_digits(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(20 - length..).unwrap_or_default());
}

/// A number as [`write`] writes it.
#[must_use]
pub fn spell(number: f64) -> String {
    let mut out = Vec::new();
    write(number, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// The natural logarithm, but for a unit or two in the last place. Of nothing it is minus infinity, of less there is
/// none.
#[must_use]
pub fn ln(number: f64) -> f64 {
    if number < f64::MIN_POSITIVE {
        return if number < 0.0 { f64::NAN } else { f64::NEG_INFINITY };
    }
    if !number.is_finite() {
        return number;
    }
    // A number is 2^exponent · rest, with the rest between √½ and √2.
    const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = number.to_bits() as i64;
    let exponent = (bits - FRAC_1_SQRT_2.to_bits() as i64) >> FRACTION;
    let rest = f64::from_bits((bits - (exponent << FRACTION)) as u64);
    // ln rest = 2 artanh z = 2 (z + z³/3 + z⁵/5 + …), where z² < 0.03.
    let z = (rest - 1.0) / (rest + 1.0);
    let mut sum = 0.0;
    for odd in (1..=23).rev().step_by(2) {
        sum = sum * z * z + 1.0 / f64::from(odd);
    }
    2.0 * z * sum + exponent as f64 * LN_2
}

/// The exponential function, but for a unit or two in the last place.
#[must_use]
pub fn exp(number: f64) -> f64 {
    // The natural logarithm of two: its first bits, which an exponent can be multiplied with exactly, and the others.
    const LN_2_HEAD: f64 = 0.693_147_180_369_123_8;
    const LN_2_TAIL: f64 = 1.908_214_929_270_587_7e-10;
    // Beyond this all is infinite, or nothing.
    let number = number.clamp(-1000.0, 1000.0);
    // e^number is 2^exponent · e^rest, with the rest within ± ln 2 / 2.
    let exponent = (number * LOG2_E).round_ties_even();
    let rest = number - exponent * LN_2_HEAD - exponent * LN_2_TAIL;
    let mut sum = 1.0;
    for term in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    // In two steps: between them they reach further than the exponent of one number.
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << (f64::MANTISSA_DIGITS - 1));
    let exponent = exponent as i64;
    sum * power(exponent / 2) * power(exponent - exponent / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case(0.0, "0")]
    #[case(90.0, "90")]
    #[case(-1.5, "-1.5")]
    #[case(0.05, "0.05")]
    #[case(2.0 / 3.0, "0.667")]
    #[case(1_773_533_191_000.0, "1773533191000")]
    #[case(f64::NAN, "null")]
    fn numbers(#[case] number: f64, #[case] expected: &str) {
        assert_eq!(spell(number), expected);
    }

    #[test]
    fn the_ends_of_the_functions() {
        assert_eq!([ln(1.0), ln(0.0), ln(f64::INFINITY)], [0.0, f64::NEG_INFINITY, f64::INFINITY]);
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan() && exp(f64::NAN).is_nan());
        assert_eq!([exp(0.0), exp(-800.0), exp(800.0)], [1.0, 0.0, f64::INFINITY]);
        assert_eq!([exp(f64::NEG_INFINITY), exp(f64::INFINITY)], [0.0, f64::INFINITY]);
    }

    proptest! {
        #[test]
        fn the_logarithm_is_that_of_the_library(number in 1e-300..1e300_f64, near in 0.5..2.0_f64) {
            for number in [number, near, 1.0 / number] {
                prop_assert!((ln(number) - number.ln()).abs() <= number.ln().abs() * 1e-15 + 1e-16, "{number:e}");
            }
        }

        #[test]
        fn the_exponential_is_that_of_the_library(number in -700.0..700.0_f64, near in -1.0..1.0_f64) {
            for number in [number, near] {
                prop_assert!((exp(number) / number.exp() - 1.0).abs() < 1e-15, "{number:e}");
            }
        }
    }
}
