"""The rules of Rekognition Custom Labels: names, states, manifests and what a training takes from them. No I/O."""
