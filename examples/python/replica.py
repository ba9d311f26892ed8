"""A replica over HTTP: asks for the weights again and again, and gets them where they have changed. No gradwire code; it reads f32.

    python3 replica.py http://127.0.0.1:8080 weights.bin 300     ends at version 300; the file has its values, tensor after tensor
"""
import http.client, json, os, struct, sys, time, urllib.parse
import numpy as np

def decode(frame):  # safetensors: the header's length, the header as JSON, the values
    start = 8 + struct.unpack("<Q", frame[:8])[0]
    header = json.loads(frame[8:start])
    metadata, values = header.pop("__metadata__"), frame[start:]
    return metadata, {name: np.frombuffer(values[slice(*t["data_offsets"])], "<f4").reshape(t["shape"]) for name, t in header.items()}

url, tag, version, seen = urllib.parse.urlsplit(sys.argv[1]), "", -1, 0
connection = (http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection)(url.netloc)
while version < int(sys.argv[3]):
    headers = {"If-None-Match": tag, "Authorization": f"Bearer {os.environ.get('GRADWIRE_TOKEN', 'none')}"}
    connection.request("GET", "/models/default/weights.safetensors", headers=headers)
    answer = connection.getresponse()
    frame = answer.read()
    if answer.status == 304:  # these weights are still the newest
        time.sleep(0.05)
        continue
    assert answer.status == 200, frame
    metadata, weights = decode(frame)
    tag, version, seen = answer.getheader("ETag"), int(metadata["version"]), seen + 1
open(sys.argv[2], "wb").write(b"".join(tensor.tobytes() for tensor in weights.values()))
print(f"version {version}, the last of {seen} that were seen: {', '.join(f'{name} {tensor.shape}' for name, tensor in weights.items())}")
