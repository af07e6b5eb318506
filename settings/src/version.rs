//! The version in four parts: the workspace's three and the number of the build, 0 where
//! `EG_BUILD` was not set when the program was built.

use std::sync::LazyLock;

const BUILD: &str = match option_env!("EG_BUILD") {
    Some(build) => build,
    None => "0",
};

const _: () = assert!(u32::from_str_radix(BUILD, 10).is_ok(), "EG_BUILD is the build's number");

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{}.{BUILD}", env!("CARGO_PKG_VERSION")));

/// What `--version` prints behind the program's name.
#[must_use]
pub fn version() -> &'static str {
    &VERSION
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_has_four_numbers() {
        let parts: Vec<u32> = version().split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(parts.len(), 4, "{}", version());
    }
}
