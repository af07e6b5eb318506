//! The word that a list gives to what it names.

/// The file's stem, or the folder's name where the file is called `domains`, as squidGuard's are.
#[must_use]
pub fn stem(path: &str) -> &str {
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let file = parts.next().unwrap_or(path);
    let stem = file.strip_suffix(".gz").or_else(|| file.strip_suffix(".zst")).unwrap_or(file);
    let stem = match stem.rsplit_once('.') {
        Some((front, _)) if !front.is_empty() => front,
        Some(_) | None => stem,
    };
    if stem == "domains" { parts.next().unwrap_or(stem) } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_list() {
        let check = |path, expected| assert_eq!(stem(path), expected, "{path}");
        check("lists/malware.txt", "malware");
        check("lists/malware.txt.gz", "malware");
        check("lists/malware.txt.zst", "malware");
        check("blacklists/adult", "adult");
        check("malware", "malware");
        check("blacklists/adult/domains", "adult");
        check("blacklists/adult/domains.gz", "adult");
        check("domains", "domains");
        check("lists/.hidden", ".hidden");
        check("", "");
    }
}
