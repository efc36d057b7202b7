// SPDX-License-Identifier: MIT
package org.aotc;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.util.Base64;
import java.util.Map;
import org.aotc.AotException.Status;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Artifacts that the JDK's own Ed25519 has signed. */
class SignatureTest {
    @TempDir Path folder;

    private Path signed(KeyPair keys) throws Exception {
        Path model = folder.resolve("model.so");
        Files.write(model, Files.readAllBytes(Fixtures.artifact("simple_model")));
        Signature signature = Signature.getInstance("Ed25519");
        signature.initSign(keys.getPrivate());
        signature.update(Files.readAllBytes(model));
        Files.write(folder.resolve("model.so.sig"), signature.sign());
        return model;
    }

    private static KeyPair keys() throws Exception {
        return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    }

    private static void refused(Status status, Path path, PublicKey key) {
        AotException e = assertThrows(AotException.class, () -> Model.open(path, key));
        assertEquals(status, e.status());
    }

    @Test
    void opensWhatIsSigned() throws Exception {
        KeyPair keys = keys();
        Map<String, Object> manifest = Fixtures.manifest("seeds/simple_model");
        try (Model model = Model.open(signed(keys), keys.getPublic()); Session session = model.session()) {
            Fixtures.check(session, "seeds/simple_model", manifest, Fixtures.list(manifest, "cases").get(0));
        }
    }

    @Test
    void refusesWhatIsNot() throws Exception {
        KeyPair keys = keys();
        Path model = signed(keys);
        refused(Status.SIGNATURE, model, keys().getPublic());
        refused(Status.ARGUMENT, model, null);
        refused(Status.ARGUMENT, model, KeyPairGenerator.getInstance("Ed448").generateKeyPair().getPublic());
        byte[] bytes = Files.readAllBytes(model);
        bytes[bytes.length / 2] ^= 1;
        Files.write(model, bytes);
        refused(Status.SIGNATURE, model, keys.getPublic());
        refused(Status.HOST, folder.resolve("absent.so"), keys.getPublic());
        Files.delete(folder.resolve("model.so.sig"));
        refused(Status.SIGNATURE, model, keys.getPublic());
    }

    @Test
    void readsKeys() throws Exception {
        PublicKey key = keys().getPublic();
        Path pem = folder.resolve("release.pub");
        Files.writeString(pem, "-----BEGIN PUBLIC KEY-----\n" + Base64.getEncoder().encodeToString(key.getEncoded())
            + "\n-----END PUBLIC KEY-----\n");
        assertEquals(key, Model.publicKey(pem));
        Files.writeString(pem, "none");
        AotException e = assertThrows(AotException.class, () -> Model.publicKey(pem));
        assertTrue(e.getMessage().contains("release.pub"), e.getMessage());
    }
}
