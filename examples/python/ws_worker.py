"""A worker over WebSocket: learns the miles per gallon of real cars. No gradwire code, but Debian's python3-websockets; f32.

    python3 ws_worker.py http://127.0.0.1:8080 cars.json 300       for a trainer of {"w": [4, 1], "b": [1]}
"""
import asyncio, json, os, struct, sys, uuid
import numpy as np
import websockets

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

async def learn(url, steps, x, y):
    identity, weights, sequence = {"gradwire": "1", "kind": "gradients", "producer": f"cars-{uuid.uuid4()}"}, {}, 0
    async with websockets.connect(url.replace("http", "ws") + "/models/default", subprotocols=["gradwire.v1"], max_size=None) as socket:
        await socket.send(json.dumps({"type": "hello", "role": "worker", "token": os.environ.get("GRADWIRE_TOKEN")}))
        async for message in socket:
            at, tensors = decode(message) if isinstance(message, bytes) else (json.loads(message), {})
            if tensors: weights, base = {**weights, **tensors}, at["version"]
            assert at.get("type") != "nack" and at.get("encoding", "f32") == "f32", message
            if at.get("kind") != "weights" and at.get("type") != "ack": continue  # the update of a batch comes before its ack
            if sequence == steps: return print(f"version {base}: off by {np.abs(error).mean():.1f} miles per gallon on average")
            error, sequence = x @ weights["w"] + weights["b"] - y, sequence + 1
            gradients = {"w": x.T @ error / len(x), "b": error.mean(0)}
            await socket.send(encode({**identity, "sequence": str(sequence), "base": base}, gradients))

cars = [car for car in json.load(open(sys.argv[2])) if car["Miles_per_Gallon"] and car["Horsepower"]]
x = np.array([[car[of] for of in ("Displacement", "Horsepower", "Weight_in_lbs", "Acceleration")] for car in cars])
asyncio.run(learn(sys.argv[1], int(sys.argv[3]), (x - x.mean(0)) / x.std(0), np.array([[car["Miles_per_Gallon"]] for car in cars])))
