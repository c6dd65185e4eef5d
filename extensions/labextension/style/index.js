import './base.css';
import './map.css';
import './search.css';
import './granules.css';
import './orders.css';
import './storage.css';
