/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/hex.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/key.h"

static const struct mp_crypto *const c = &mp_crypto_sodium;

static struct mp_secret *
secret_from_hex(const char *ed25519, const char *x25519)
{
	struct mp_secret *s = NULL;
	uint8_t ed[32], x[32];

	unit_hex(ed, sizeof(ed), ed25519);
	if (x25519 != NULL)
		unit_hex(x, sizeof(x), x25519);
	assert_int_equal(mp_secret_from_bytes(&s, ed, x25519 != NULL ? x : NULL), 0);
	return s;
}

/* FIPS 180-4 and RFC 4231 case 2; the BLAKE2b digest is b2sum -l 256's. */
static void
test_hashes(void **state)
{
	struct mp_span abc[] = {mp_span_str("a"), mp_span(NULL, 0), mp_span_str("bc")};
	struct mp_span msg[] = {mp_span_str("what do ya want "), mp_span_str("for nothing?")};
	uint8_t out[MP_SHA512_SIZE];
	struct mp_hash h;

	(void)state;
	c->hash(&h, abc, 3);
	unit_assert_hex(h.b, sizeof(h.b),
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	c->sha512(out, abc, 3);
	unit_assert_hex(out, sizeof(out),
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	c->hmac_sha512(out, mp_span_str("Jefe"), msg, 2);
	unit_assert_hex(out, sizeof(out),
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

/* RFC 8032 section 7.1, test 2. */
static void
test_ed25519(void **state)
{
	struct mp_secret *s = secret_from_hex(
		"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", NULL);
	static const uint8_t zero_key[32];
	uint8_t pk[32], msg[] = {0x72};
	struct mp_sig sig;

	(void)state;
	mp_secret_public(s, pk);
	unit_assert_hex(
		pk, sizeof(pk), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	c->sign(s, &sig, mp_span(msg, 1));
	unit_assert_hex(sig.b, sizeof(sig.b),
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	assert_int_equal(c->verify(pk, &sig, mp_span(msg, 1)), 0);
	assert_int_equal(c->verify(pk, &sig, mp_span(msg, 0)), MP_ESIG);
	for (size_t i = 0; i < sizeof(sig.b); i++) {
		sig.b[i] ^= 1;
		assert_int_equal(c->verify(pk, &sig, mp_span(msg, 1)), MP_ESIG);
		sig.b[i] ^= 1;
	}
	assert_int_equal(c->verify(zero_key, &sig, mp_span(msg, 1)), MP_ESIG);
	mp_secret_free(s);
}

/* RFC 7748 section 6.1. */
static void
test_x25519(void **state)
{
	struct mp_secret *alice =
		secret_from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	static const char *const shared =
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	static const uint8_t low_order[32];
	uint8_t bob[32], bob_public[32], k[32];
	struct mp_xkey xkey;

	(void)state;
	mp_secret_xkey(alice, &xkey);
	unit_assert_hex(xkey.b, sizeof(xkey.b),
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	unit_hex(bob, sizeof(bob),
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	c->x25519_base(bob_public, bob);
	unit_assert_hex(bob_public, sizeof(bob_public),
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_int_equal(c->x25519(k, bob, xkey.b), 0);
	unit_assert_hex(k, sizeof(k), shared);
	assert_int_equal(c->x25519_static(k, alice, bob_public), 0);
	unit_assert_hex(k, sizeof(k), shared);
	assert_int_equal(c->x25519(k, bob, low_order), MP_ESIG);
	assert_int_equal(c->x25519_static(k, alice, low_order), MP_ESIG);
	mp_secret_free(alice);
}

/* draft-irtf-cfrg-xchacha-03 appendix A.3.1. */
static void
test_xaead(void **state)
{
	struct mp_span msg =
		mp_span_str("Ladies and Gentlemen of the class of '99: If I could offer "
			    "you only one tip for the future, sunscreen would be it.");
	uint8_t key[32], nonce[MP_XAEAD_NONCE], ad[12], sealed[130], opened[114];

	(void)state;
	unit_hex(key, 32, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	unit_hex(nonce, sizeof(nonce), "404142434445464748494a4b4c4d4e4f5051525354555657");
	unit_hex(ad, sizeof(ad), "50515253c0c1c2c3c4c5c6c7");
	assert_int_equal(msg.n, sizeof(opened));
	c->seal(sealed, msg, mp_span(ad, sizeof(ad)), nonce, key);
	unit_assert_hex(sealed, sizeof(sealed),
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
		"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
		"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
		"21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
	assert_int_equal(c->open(opened, mp_span(sealed, 130), mp_span(ad, 12), nonce, key), 0);
	assert_memory_equal(opened, msg.p, msg.n);
	assert_int_equal(
		c->open(opened, mp_span(sealed, 130), mp_span(ad, 11), nonce, key), MP_ESIG);
	assert_int_equal(
		c->open(opened, mp_span(sealed, 129), mp_span(ad, 12), nonce, key), MP_ESIG);
	assert_int_equal(
		c->open(opened, mp_span(sealed, 15), mp_span(ad, 12), nonce, key), MP_ESIG);
	sealed[7] ^= 0x80;
	assert_int_equal(
		c->open(opened, mp_span(sealed, 130), mp_span(ad, 12), nonce, key), MP_ESIG);
}

/* The expected bytes are another implementation's (OpenSSL), nonce 00000000 0807060504030201. */
static void
test_aead_counter(void **state)
{
	const uint64_t counter = 0x0102030405060708;
	uint8_t key[32], sealed[24];

	(void)state;
	unit_hex(key, 32, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	memcpy(sealed, "Meshpipe", 8);
	c->aead_seal(sealed, mp_span(sealed, 8), mp_span_str("ad"), counter, key);
	unit_assert_hex(sealed, sizeof(sealed), "b9d49dd320b32bb8755a1c6a6c105dbef20d1d8e92df3d1f");
	assert_int_equal(
		c->aead_open(sealed, mp_span(sealed, 24), mp_span_str("ad"), counter + 1, key),
		MP_ESIG);
	c->aead_seal(sealed, mp_span_str("Meshpipe"), mp_span_str("ad"), counter, key);
	assert_int_equal(
		c->aead_open(sealed, mp_span(sealed, 24), mp_span_str("ad"), counter, key), 0);
	assert_memory_equal(sealed, "Meshpipe", 8);
}

/* ---- key files ---- */

static char dir[] = "/tmp/test_crypto.XXXXXX";
static char path[64];

static int
dir_setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/node.key", dir);
	return 0;
}

static int
dir_teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir); /* fails when a temporary file was left */
}

static void
write_file(const char *text, mode_t mode)
{
	FILE *f;

	(void)unlink(path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
round_trip(enum mp_key_kind kind)
{
	struct mp_secret *made = NULL, *read = NULL;
	struct mp_error err;
	uint8_t a[32], b[32];
	struct stat st;

	(void)unlink(path);
	assert_int_equal(mp_key_generate(&made, kind), 0);
	assert_int_equal(mp_key_save(made, path, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(mp_key_load(&read, kind, path, &err), 0);
	assert_int_equal(mp_secret_kind(read), kind);
	mp_secret_seed(made, a);
	mp_secret_seed(read, b);
	assert_memory_equal(a, b, 32);
	mp_secret_public(made, a);
	mp_secret_public(read, b);
	assert_memory_equal(a, b, 32);
	if (kind == MP_KEY_NODE) {
		struct mp_xkey xa, xb;

		mp_secret_xkey(made, &xa);
		mp_secret_xkey(read, &xb);
		assert_memory_equal(xa.b, xb.b, 32);
	}
	mp_secret_free(made);
	mp_secret_free(read);
}

static void
test_files(void **state)
{
	(void)state;
	round_trip(MP_KEY_NODE);
	round_trip(MP_KEY_SIGNING);
}

static void
test_never_overwrites(void **state)
{
	struct mp_secret *s = NULL;
	struct mp_error err;
	char text[8] = "";
	FILE *f;

	(void)state;
	write_file("precious", 0600);
	assert_int_equal(mp_key_generate(&s, MP_KEY_NODE), 0);
	assert_int_equal(mp_key_save(s, path, &err), MP_EEXIST);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text), f), sizeof(text));
	assert_memory_equal(text, "precious", sizeof(text));
	(void)fclose(f);
	assert_int_equal(mp_key_save(s, "/nonexistent/dir/key", &err), MP_ENOENT);
	mp_secret_free(s);
}

#define SEED "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"

static void
test_bad_files(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int rc;
		const char *say;
	} bad[] = {
		{"meshpipe-key 1 signing\ned25519 " SEED "\n", 0640, MP_EAUTH, "chmod 600"},
		{"meshpipe-key 1 signing\ned25519 " SEED "\n", 0602, MP_EAUTH, "chmod 600"},
		{"", 0600, MP_EFORMAT, "not a Meshpipe key"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", 0600, MP_EFORMAT, "not a Meshpipe key"},
		{"meshpipe-key 2 signing\n", 0600, MP_EVERSION, "newer"},
		{"meshpipe-key 1 node\ned25519 " SEED "\nx25519 " SEED "\n", 0600, MP_EFORMAT,
			"not a signing key"},
		{"meshpipe-key 1 signing\n", 0600, MP_EFORMAT, "damaged"},
		{"meshpipe-key 1 signing\ned25519 " SEED, 0600, MP_EFORMAT, "damaged"},
		{"meshpipe-key 1 signing\ned25519 " SEED "\n\n", 0600, MP_EFORMAT, "damaged"},
		{"meshpipe-key 1 signing\ned25519 " SEED "00\n", 0600, MP_EFORMAT, "damaged"},
		{"meshpipe-key 1 signing\ned25519 zz" SEED "\n", 0600, MP_EFORMAT, "damaged"},
		{"meshpipe-key 1 signing\ned25519 " SEED "\n" SEED SEED SEED SEED, 0600, MP_EFORMAT,
			"too long"},
	};

	(void)state;
	for (size_t i = 0; i < mp_countof(bad); i++) {
		struct mp_secret *s = NULL;
		struct mp_error err = {0};

		write_file(bad[i].text, bad[i].mode);
		assert_int_equal(mp_key_load(&s, MP_KEY_SIGNING, path, &err), bad[i].rc);
		assert_int_equal(err.code, bad[i].rc);
		if (strstr(err.text, bad[i].say) == NULL)
			fail_msg("row %zu says: %s", i, err.text);
		assert_null(s);
	}
}

static void
test_foreign_files(void **state)
{
	struct mp_secret *s = NULL;
	struct mp_error err;

	(void)state;
	(void)unlink(path);
	assert_int_equal(mp_key_load(&s, MP_KEY_NODE, path, &err), MP_ENOENT);
	assert_int_equal(mp_key_load(&s, MP_KEY_NODE, "/dev/null", &err), MP_EFORMAT);
	if (geteuid() != 0)
		skip();
	write_file("meshpipe-key 1 signing\ned25519 " SEED "\n", 0600);
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(mp_key_load(&s, MP_KEY_SIGNING, path, &err), MP_EAUTH);
	assert_non_null(strstr(err.text, "chown 0 "));
}

static void
test_random(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	mp_key_random(a, sizeof(a));
	mp_key_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	c->wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_x25519),
		cmocka_unit_test(test_xaead),
		cmocka_unit_test(test_aead_counter),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_never_overwrites),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_foreign_files),
		cmocka_unit_test(test_random),
	};

	if (mp_key_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
