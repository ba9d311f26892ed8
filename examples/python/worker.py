"""A worker over HTTP: learns the miles per gallon of real cars. No gradwire code; it reads weights and sends gradients in f32.

    python3 worker.py http://127.0.0.1:8080 cars.json 300        for a trainer of {"w": [4, 1], "b": [1]}
"""
import http.client, json, os, struct, sys, time, urllib.parse, uuid
import numpy as np

def decode(frame):  # safetensors: the header's length, the header as JSON, the values
    start = 8 + struct.unpack("<Q", frame[:8])[0]
    header = json.loads(frame[8:start])
    metadata, values = header.pop("__metadata__"), frame[start:]
    return metadata, {name: np.frombuffer(values[slice(*t["data_offsets"])], "<f4").reshape(t["shape"]) for name, t in header.items()}

def encode(metadata, tensors):
    header, values = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        begin, values = len(values), values + tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [begin, len(values)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + values

def ask(method, path, body=None):  # a trainer that is busy says when to send the same again
    connection.request(method, f"/models/default/{path}", body, headers)
    answer = connection.getresponse()
    content, seconds = answer.read(), answer.getheader("Retry-After")
    assert answer.status == 200 or seconds, content
    return content if seconds is None else time.sleep(int(seconds)) or ask(method, path, body)

url, headers = urllib.parse.urlsplit(sys.argv[1]), {"Authorization": f"Bearer {os.environ.get('GRADWIRE_TOKEN', 'none')}"}
connection = (http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection)(url.netloc)
cars = [car for car in json.load(open(sys.argv[2])) if car["Miles_per_Gallon"] and car["Horsepower"]]
x = np.array([[car[of] for of in ("Displacement", "Horsepower", "Weight_in_lbs", "Acceleration")] for car in cars])
x, y, producer = (x - x.mean(0)) / x.std(0), np.array([[car["Miles_per_Gallon"]] for car in cars]), f"cars-{uuid.uuid4()}"
for sequence in range(int(sys.argv[3])):
    at, weights = decode(ask("GET", "weights.safetensors"))
    error = x @ weights["w"] + weights["b"] - y
    identity = {"gradwire": "1", "kind": "gradients", "producer": producer, "sequence": str(sequence), "base": at["version"]}
    ack = json.loads(ask("POST", "gradients", encode(identity, {"w": x.T @ error / len(x), "b": error.mean(0)})))
print(f"version {ack['version']}: off by {np.abs(error).mean():.1f} miles per gallon on average")
