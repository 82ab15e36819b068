//! Records: JSON texts, scanned where they lie and given back with one member more.

mod known;
mod scan;
pub(crate) mod shape;
mod splice;
mod text;
mod value;

pub(crate) use known::Known;
pub use scan::{Invalid, Scanner};
pub(crate) use shape::keys;
pub use shape::{Key, Shape};
pub use splice::splice;
pub(crate) use text::unescape;
pub use text::{Text, quote, same};
pub use value::{Fields, Value};
