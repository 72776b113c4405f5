//! The checksums of the journal and of git's packs, and the digest of a file.
//!
//! They look at every byte, so they stand in the package that is optimised.

use std::io::{self, Read};

use hmac_sha256::Hash as Sha256;

/// What of a file tells what it is.
const HEAD: usize = 1 << 10;

/// SHA-256 in hexadecimal of all that can be read, in little memory, and the first kilobyte of it.
///
/// # Errors
/// As reading.
pub fn sha256(from: &mut dyn Read) -> io::Result<(String, Vec<u8>)> {
    let mut hash = Sha256::new();
    let mut head = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok((super::hex(&hash.finalize()), head)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if head.is_empty() {
            head.extend_from_slice(&chunk[..count.min(HEAD)]);
        }
        hash.update(&chunk[..count]);
    }
}

/// The reflected CRC-32 of IEEE 802.3, begun with the checksum before.
#[must_use]
pub fn crc32(before: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!before, |sum, &byte| (sum >> 8) ^ CRC32[(sum as u8 ^ byte) as usize])
}

/// What each byte adds.
const CRC32: [u32; 256] = {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// Adler-32 (RFC 1950).
#[must_use]
pub fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_the_standards() {
        assert_eq!(crc32(0, b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        let (digest, head) = sha256(&mut &b"abc"[..]).unwrap();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(head, b"abc");
    }
}
