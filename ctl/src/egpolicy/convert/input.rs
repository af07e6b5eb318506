//! Where the bytes of the old filter's files come from.

use std::path::Path;

/// What a conversion reads.
pub trait Input {
    /// The bytes of a regular file, within the bound of a list.
    ///
    /// # Errors
    ///
    /// A sentence that says why not.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// The names of the files in a folder, in order; a folder in it ends with a `/`.
    ///
    /// # Errors
    ///
    /// A sentence that says why not.
    fn folder(&self, path: &Path) -> Result<Vec<String>, String>;
}
