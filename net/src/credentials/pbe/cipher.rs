//! The block ciphers, all of them in CBC mode with PKCS#7 padding.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, EncryptionContext,
    PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit,
    KeyInit,
};
use des::{TdesEde2, TdesEde3};
use rc2::Rc2;

/// A cipher that stores and keys of any age are encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// RC2 with 40 bits: certificates, in what Keychain and OpenSSL wrote before 3.0. OpenSSL 3 reads it only with `-legacy`.
    Rc2Bits40,
    /// RC2 with 128 bits.
    Rc2Bits128,
    /// Triple DES with two keys.
    TripleDes2,
    /// Triple DES with three keys: private keys, in what everything wrote before about 2018.
    TripleDes3,
    /// AES with 128 bits.
    Aes128,
    /// AES with 192 bits.
    Aes192,
    /// AES with 256 bits: what is written today.
    Aes256,
}

impl Cipher {
    /// The length of the key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Rc2Bits40 => 5,
            Self::Rc2Bits128 | Self::TripleDes2 | Self::Aes128 => 16,
            Self::TripleDes3 | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// The length of a block, and so of the initialization vector, in bytes.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Rc2Bits40 | Self::Rc2Bits128 | Self::TripleDes2 | Self::TripleDes3 => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// `None` where the lengths are wrong or the padding is: most likely, the key is.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rc2Bits40 | Self::Rc2Bits128 => decrypt::<Rc2>(key, iv, encrypted),
            Self::TripleDes2 => decrypt::<TdesEde2>(key, iv, encrypted),
            Self::TripleDes3 => decrypt::<TdesEde3>(key, iv, encrypted),
            Self::Aes128 => decrypt_aes(&AES_128, key, iv, encrypted),
            Self::Aes192 => decrypt_aes(&AES_192, key, iv, encrypted),
            Self::Aes256 => decrypt_aes(&AES_256, key, iv, encrypted),
        }
    }

    /// `None` where the lengths are wrong.
    pub(super) fn encrypt(self, key: &[u8], iv: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rc2Bits40 | Self::Rc2Bits128 => encrypt::<Rc2>(key, iv, plain),
            Self::TripleDes2 => encrypt::<TdesEde2>(key, iv, plain),
            Self::TripleDes3 => encrypt::<TdesEde3>(key, iv, plain),
            Self::Aes128 => encrypt_aes(&AES_128, key, iv, plain),
            Self::Aes192 => encrypt_aes(&AES_192, key, iv, plain),
            Self::Aes256 => encrypt_aes(&AES_256, key, iv, plain),
        }
    }
}

fn decrypt<C: KeyInit + BlockCipherDecrypt>(
    key: &[u8],
    iv: &[u8],
    encrypted: &[u8],
) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let decryptor = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(encrypted).ok()
}

fn encrypt<C: KeyInit + BlockCipherEncrypt>(
    key: &[u8],
    iv: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let encryptor = cbc::Encryptor::inner_iv_slice_init(cipher, iv).ok()?;
    Some(encryptor.encrypt_padded_vec::<Pkcs7>(plain))
}

fn decrypt_aes(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    encrypted: &[u8],
) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    let iv = DecryptionContext::Iv128(FixedLength::try_from(iv).ok()?);
    let mut plain = encrypted.to_vec();
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let len = key.decrypt(&mut plain, iv).ok()?.len();
    plain.truncate(len);
    Some(plain)
}

fn encrypt_aes(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    let iv = EncryptionContext::Iv128(FixedLength::try_from(iv).ok()?);
    let mut encrypted = plain.to_vec();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    key.less_safe_encrypt(&mut encrypted, iv).ok()?;
    Some(encrypted)
}
